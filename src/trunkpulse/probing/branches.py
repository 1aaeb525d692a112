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

__all__ = ["MARK_BYTES", "Branches", "mark_of"]

MAGIC_COOKIE: Final = b"z9hG4bK"
MARK_BYTES: Final = 16
_SEQUENCE_BITS: Final = 32
_LARGEST_SEQUENCE: Final = 2**_SEQUENCE_BITS - 1


def mark_of(index: int, sequence: int) -> bytes:
    """The mark of a target's request; both numbers have at most 32 bits."""
    return b"%08x%08x" % (index, sequence)


class Branches:
    """The branches that one prober makes, and what it recognises them by."""

    __slots__ = ("head",)

    def __init__(self) -> None:
        self.head = MAGIC_COOKIE + secrets.token_hex(8).encode()
        """What all of them begin with; a mark completes it."""

    def read(self, branch: bytes) -> tuple[int, int] | None:
        """(index, sequence) that ``branch`` was made of; None: it is none of ours.

        Case does not matter (RFC 3261 7.3.1), and some peers do change it.
        """
        head = self.head
        length = len(head)
        if len(branch) != length + MARK_BYTES:
            return None
        if branch[:length] != head and branch[:length].lower() != head.lower():
            return None
        try:
            number = int(branch[length:], 16)
        except ValueError:
            return None
        return number >> _SEQUENCE_BITS, number & _LARGEST_SEQUENCE

    def read_answer(self, data: bytes) -> tuple[int, int, int] | None:
        """(status code, index, sequence) of an answer to a request of ours; None: it is not one.

        More than one Via means that the answer is for somebody behind us (8.1.3.3).
        """
        peeked = peek_response(data)
        if peeked is None:
            try:
                facts = response_facts(data)
            except SipError:
                return None
            if facts.via_count != 1 or facts.cseq_method != "OPTIONS":
                return None
            peeked = facts.code, facts.branch
        code, branch = peeked
        found = self.read(branch)
        return None if found is None else (code, *found)

    def within(self, request: bytes) -> bytes:
        """The branch in a request of ours, which may have been cut short; b"" without one."""
        start = request.find(self.head)
        return request[start : start + len(self.head) + MARK_BYTES] if start >= 0 else b""

    def mark(self, branch: bytes) -> bytes:
        """What completes ``branch``, one of ours."""
        return branch[len(self.head) :]
