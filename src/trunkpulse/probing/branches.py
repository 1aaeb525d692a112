"""Which attempt a message belongs to: the branches of one process (RFC 3261 17.1.3).

A branch is ``z9hG4bK`` + a secret of this process + a *mark*: the target's index and the number of
its request. So an answer is found without a table, and nobody who has not seen a request can make
one up.
"""

from __future__ import annotations

import secrets
from typing import Final

from trunkpulse.sip.errors import SipError
from trunkpulse.sip.message import response_facts
from trunkpulse.sip.peek import peek_response

__all__ = ["MARK_BYTES", "Branches", "code_and_branch", "mark_of", "same_branch"]

MAGIC_COOKIE: Final = b"z9hG4bK"
MARK_BYTES: Final = 16
_INDEX_BYTES: Final = 8


def mark_of(index: int, sequence: int) -> bytes:
    """The mark of a target's request; both numbers have at most 32 bits."""
    return b"%08x%08x" % (index, sequence)


class Branches:
    """The branches that one prober makes, and what it recognises them by."""

    __slots__ = ("head",)

    def __init__(self) -> None:
        self.head = MAGIC_COOKIE + secrets.token_hex(8).encode()
        """What all of them begin with; a mark completes it."""

    def index(self, branch: bytes) -> int | None:
        """The index of the target that ``branch`` was made for; None: it is none of ours."""
        length = len(self.head)
        if not same_branch(self.head, branch[:length]):
            return None
        try:
            return int(branch[length : length + _INDEX_BYTES], 16)
        except ValueError:
            return None

    def within(self, request: bytes) -> bytes:
        """The branch in a request of ours, which may have been cut short; b"" without one."""
        start = request.find(self.head)
        return request[start : start + len(self.head) + MARK_BYTES] if start >= 0 else b""

    def mark(self, branch: bytes) -> bytes:
        """What completes ``branch``, one of ours."""
        return branch[len(self.head) :]


def same_branch(ours: bytes, theirs: bytes) -> bool:
    """True if they are one branch: case does not matter (7.3.1), and some peers do change it."""
    return ours == theirs or ours.lower() == theirs.lower()


def code_and_branch(data: bytes) -> tuple[int, bytes] | None:
    """Status code and top branch of an answer to OPTIONS; None: it is not one, or not for us.

    More than one Via means that the answer is for somebody behind us (8.1.3.3).
    """
    peeked = peek_response(data)
    if peeked is not None:
        return peeked
    try:
        facts = response_facts(data)
    except SipError:
        return None
    if facts.via_count != 1 or facts.cseq_method != "OPTIONS":
        return None
    return facts.code, facts.branch
