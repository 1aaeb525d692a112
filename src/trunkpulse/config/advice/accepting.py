"""What was accepted for good: a kind of advice, or one piece of it, which is then shown no more.

A text names it: ``CODE`` all advice of that kind, ``CODE WHERE`` what is about one part of the
configuration, as in ``interval_short trunk "a"``. Once something else is the matter, or the same
with something else, the text is another one and the advice is there again.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Annotated

from pydantic import Field

from trunkpulse.config.advice.codes import CODES
from trunkpulse.config.advice.item import Advice
from trunkpulse.config.section import Allowed, Section, text_of
from trunkpulse.config.wording import did_you_mean, shown

__all__ = ["MOST_ACCEPTED", "AdviceEntry", "accepted_id", "is_accepted"]

MOST_ACCEPTED = 1000
"""In the file, and over the API."""
_LONGEST = 1024


def accepted_id(text: str) -> str:
    """``text`` if it names advice that there can be; raises ValueError."""
    code, space, where = text.partition(" ")
    if code not in CODES:
        near = did_you_mean(code, CODES)
        hint = f" (did you mean {shown(near)}?)" if near else ""
        raise ValueError(
            f"must begin with a code of advice, not {shown(code)}{hint}; the codes are"
            f" {', '.join(sorted(CODES))}"
        )
    if len(text) > _LONGEST or not text.isprintable() or (space and where != where.strip()):
        raise ValueError(
            f"must be a code, or a code and where it stands, in up to {_LONGEST} characters, such"
            """ as 'interval_short trunk "carrier-a"'"""
        )
    if space and not where:
        raise ValueError(f"must say where after the blank, or end with {shown(code)}")
    return text


def is_accepted(advice: Advice, accepted: Container[str]) -> bool:
    """True if ``accepted`` has this advice, or all of its kind."""
    return advice.code in accepted or advice.id in accepted


class AdviceEntry(Section):
    """What the file says of advice."""

    accept: Annotated[
        tuple[Annotated[str, text_of(accepted_id)], ...],
        Field(strict=False, max_length=MOST_ACCEPTED),
        Allowed(
            f"a list of up to {MOST_ACCEPTED} texts",
            each="""a code of advice, or a code and where, such as 'interval_short trunk "a"'""",
        ),
    ] = ()
