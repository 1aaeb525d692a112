"""What runs calls already is told which of its ways out are alive, and kept that way.

``wanted`` says what each entry of a switch should be, ``plan`` what has to be written for it and
what changed behind our back, ``loop`` keeps one switch right, and ``switches`` all of them. What we
took out is known to ``taken``, in the database by way of ``on_record``, and ``giving_back``
gives it back where nobody looks after a switch any more.
"""
