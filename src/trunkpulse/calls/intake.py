"""What becomes of each frame of a mirror: from the datagram to the ledger."""

from __future__ import annotations

import hmac
import math
from collections import Counter
from enum import Enum
from typing import Final

from trunkpulse.calls.hep import SIP, HepMalformed, parse_frame
from trunkpulse.calls.ledger import LedgerOfCalls
from trunkpulse.calls.signal import read_signal

__all__ = ["LOSS_LASTS_SECONDS", "Fate", "Intake"]

LOSS_LASTS_SECONDS: Final = 60.0
"""After frames were lost: longer than any INVITE waits for its answer."""


class Fate(Enum):
    """How a frame ended."""

    FOLLOWED = "followed"
    """It went to or came from a place of ours, and the ledger has it."""
    ELSEWHERE = "elsewhere"
    """It concerns no place of ours."""
    NOT_SIP = "not_sip"
    """It mirrors RTCP, logs, or what is no SIP message with a call."""
    MALFORMED = "malformed"
    WRONG_SECRET = "wrong_secret"  # noqa: S105 - the name of a fate
    NOT_ALLOWED = "not_allowed"
    """Who sent it is not let in."""


class Intake:
    """Reads frames, lets in whose secret is right, and has the ledger follow what they show."""

    def __init__(self, ledger: LedgerOfCalls, secret: str | None) -> None:
        """``secret`` None: whoever is allowed to send needs none."""
        self._ledger = ledger
        self._secret = None if secret is None else secret.encode()
        self.fates: Counter[Fate] = Counter()
        self._lost_at = -math.inf

    def refuse(self) -> None:
        """A datagram came from somebody who is not let in."""
        self.fates[Fate.NOT_ALLOWED] += 1

    def lost(self, now: float) -> None:
        """There was no room for some frames, which nobody has read; moments are monotonic."""
        self._lost_at = now

    def is_whole(self, now: float) -> bool:
        """True unless frames were lost in the last minute: then what is missing shows nothing."""
        return now - self._lost_at >= LOSS_LASTS_SECONDS

    def take(self, data: bytes, now: float) -> None:
        """A datagram arrived at ``now``, monotonic; never raises for what it says."""
        self.fates[self._fate(data, now)] += 1

    def _fate(self, data: bytes, now: float) -> Fate:
        try:
            mirrored = parse_frame(data)
        except HepMalformed:
            return Fate.MALFORMED
        if self._secret is not None and not hmac.compare_digest(mirrored.key, self._secret):
            return Fate.WRONG_SECRET
        if mirrored.kind != SIP:
            return Fate.NOT_SIP
        source, destination = mirrored.source, mirrored.destination
        if not self._ledger.concerns(source, destination, connected=mirrored.connected):
            return Fate.ELSEWHERE
        signal = read_signal(mirrored.payload)
        if signal is None:
            return Fate.NOT_SIP
        self._ledger.follow(signal, source, destination, now, connected=mirrored.connected)
        return Fate.FOLLOWED
