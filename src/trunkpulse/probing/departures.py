"""First requests that leave together: written one after another, sent with one call.

All of a batch are taken to have left when the call begins. The last of them is on its way some
tens of microseconds later: so much may be added to its round trip, and no more.
"""

from __future__ import annotations

from typing import Final

from trunkpulse.ports import Address, Clock, MessageTransport
from trunkpulse.probing.outcomes import ProbeCounts
from trunkpulse.probing.requests import Requests
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.sip.request import Form, SharedOptions

__all__ = ["MOST_TOGETHER", "Departures"]

MOST_TOGETHER: Final = 32


class Departures:
    """See the module's opening. Of one prober; all of a batch leave over one transport."""

    __slots__ = (
        "_clock",
        "_counts",
        "_forms",
        "_requests",
        "_transport",
        "begun",
        "destinations",
        "messages",
        "targets",
    )

    def __init__(self, requests: Requests, clock: Clock, counts: ProbeCounts) -> None:
        self._requests = requests
        self._clock = clock
        self._counts = counts
        self._transport: MessageTransport | None = None
        self._forms: dict[SharedOptions, Form] = {}
        self.targets: list[ProbeTarget] = []
        """Of the batch, with what is sent to each, and where to; the same lists for ever."""
        self.messages: list[bytes] = []
        self.destinations: list[Address] = []
        self.begun: list[ProbeTarget] = []
        """Targets whose attempts began in this turn, and that have no transaction yet."""

    def over(self, transport: MessageTransport) -> None:
        """What is added from now on leaves over this transport."""
        if self._transport is not transport:
            self.leave()
            self._transport = transport

    def form(self, options: SharedOptions, sequence: int) -> Form:
        """See ``Requests.form``; kept until ``end_turn``."""
        form = self._forms.get(options)
        if form is None:
            form = self._forms[options] = self._requests.form(options, sequence)
        return form

    def leave(self) -> None:
        """Send all that was added."""
        targets = self.targets
        if not targets or self._transport is None:
            return
        self.begun += targets
        self._counts.attempts += len(targets)
        now = self._clock.monotonic()
        for target in targets:
            target.started = now
        try:
            self._transport.send_many(self.messages, self.destinations)
        finally:
            targets.clear()
            self.messages.clear()
            self.destinations.clear()

    def end_turn(self) -> None:
        """The next one has another number."""
        self.begun.clear()
        self._forms.clear()
