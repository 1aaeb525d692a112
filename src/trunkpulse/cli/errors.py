"""How a command ends when it cannot do what it was asked.

    CommandFailed        exit 1: the thing asked about is bad, or does not answer
    └── WrongUsage       exit 2: the command line or the configuration has to change first

The message is one plain sentence for a person: what is wrong, where, and what to do next.
"""

from __future__ import annotations

__all__ = ["CommandFailed", "WrongUsage"]


class CommandFailed(Exception):
    """What was asked about is bad; asking again without a change there will not help."""

    exit_code = 1


class WrongUsage(CommandFailed):
    """The command cannot be carried out as it was given."""

    exit_code = 2
