"""What an attempt sends, and how its answer finds back to it (RFC 3261 8.1.1, 17.1.3).

A branch is ``z9hG4bK`` + a secret of this process + a *mark*: the target's index and the number of
its request. So an answer is found without a table, nobody who has not seen a request can make one
up, and a request need not be kept: whenever it is wanted again it is rendered again.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

from trunkpulse.probing.target import ProbeTarget
from trunkpulse.sip.errors import SipError
from trunkpulse.sip.message import response_facts
from trunkpulse.sip.peek import ordinary_response
from trunkpulse.sip.request import Form, SharedOptions
from trunkpulse.sip.transaction import NonInviteClientTransaction

__all__ = ["LARGEST_SEQUENCE", "SEQUENCE_BITS", "Requests", "mark_of"]

MAGIC_COOKIE: Final = b"z9hG4bK"
MARK_BYTES: Final = 16
SEQUENCE_BITS: Final = 32
LARGEST_SEQUENCE: Final = 2**SEQUENCE_BITS - 1
"""A mark is the hexadecimal number ``index << SEQUENCE_BITS | sequence``."""


def mark_of(target: ProbeTarget) -> bytes:
    """The mark of the target's newest request; both its numbers have at most 32 bits."""
    return b"%08x%08x" % (target.index, target.sequence)


class Requests:
    """The requests that one prober makes, and what it recognises them by."""

    __slots__ = ("_branch_head", "_call_head", "_tag_head", "match_ordinary")

    def __init__(self) -> None:
        self._branch_head = MAGIC_COOKIE + secrets.token_hex(8).encode()
        self._call_head = secrets.token_hex(8).encode()
        self._tag_head = secrets.token_hex(4).encode()  # 32 random bits (RFC 3261 19.3)
        mark = re.escape(self._branch_head) + b"([0-9a-f]{%d})" % MARK_BYTES
        self.match_ordinary = ordinary_response(mark).match
        """Finds code and mark of an ordinary answer to a request of ours; all others are None."""

    # --- there -----------------------------------------------------------------------------

    def form(self, options: SharedOptions, sequence: int) -> Form:
        """``first`` for any target with these ``options`` whose request has this number.

        Is given the index as the mark has it. Hundreds of targets in a row share one form.
        """
        heads = self._branch_head, self._tag_head, self._call_head
        return options.form(*heads, tail=b"%08x" % sequence, cseq=sequence)

    def first(self, target: ProbeTarget) -> bytes:
        """The first request of an attempt, without proof of who we are."""
        mark = mark_of(target)
        return target.settings.options.render(
            target.request_uri,
            self._branch_head + mark,
            self._tag_head + mark,
            self._call_head + mark,
            target.sequence,
        )

    def unfolded(self, target: ProbeTarget) -> NonInviteClientTransaction:
        """The transaction of ``first``, as old as the attempt."""
        return NonInviteClientTransaction(
            self.first(target),
            self._branch_head + mark_of(target),
            target.started,
            timeout_seconds=target.settings.policy.timeout_seconds,
        )

    def transaction(
        self,
        target: ProbeTarget,
        now: float,
        timeout_seconds: float,
        *,
        first_mark: bytes,
        proof: bytes,
    ) -> NonInviteClientTransaction:
        """The transaction of a request that leaves now.

        ``first_mark`` is that of the attempt's first request, which Call-ID and tag are made of;
        ``proof`` are the header lines that prove who we are.
        """
        settings = target.settings
        branch = self._branch_head + mark_of(target)
        request = settings.options.render(
            target.request_uri,
            branch,
            self._tag_head + first_mark,
            self._call_head + first_mark,
            target.sequence,
            proof,
        )
        return NonInviteClientTransaction(
            request, branch, now, timeout_seconds=timeout_seconds, reliable=settings.reliable
        )

    # --- and back --------------------------------------------------------------------------

    def read_answer(self, data: bytes) -> tuple[int, int, int] | None:
        """(status code, index, sequence) of an answer to a request of ours; None: it is not one.

        More than one Via means that the answer is for somebody behind us (8.1.3.3).
        """
        try:
            facts = response_facts(data)
        except SipError:
            return None
        if facts.via_count != 1 or facts.cseq_method != "OPTIONS":
            return None
        found = self._read(facts.branch)
        return None if found is None else (facts.code, *found)

    def read_request(self, data: bytes) -> tuple[int, int] | None:
        """(index, sequence) of a request of ours, which may have been cut short; None: not ours."""
        start = data.find(self._branch_head)
        if start < 0:
            return None
        return self._read(data[start : start + len(self._branch_head) + MARK_BYTES])

    def _read(self, branch: bytes) -> tuple[int, int] | None:
        """What ``branch`` was made of.

        Case does not matter (RFC 3261 7.3.1), and some peers do change it.
        """
        head = self._branch_head
        length = len(head)
        if len(branch) != length + MARK_BYTES:
            return None
        if branch[:length] != head and branch[:length].lower() != head.lower():
            return None
        mark = branch[length:]
        if not mark.isalnum():  # signs and underscores are digits to int()
            return None
        try:
            number = int(mark, 16)
        except ValueError:
            return None
        return number >> SEQUENCE_BITS, number & LARGEST_SEQUENCE
