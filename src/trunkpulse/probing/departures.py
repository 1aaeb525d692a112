"""First requests that leave together: written one after another, sent with one call.

All of a batch are taken to have left when the call begins. The last of them is on its way a tenth
of a millisecond later, and a whole one if many of the batch are refused meanwhile: so much may be
added to its round trip.
"""

from __future__ import annotations

from typing import Final

from trunkpulse.ports import Address, Clock, MessageTransport
from trunkpulse.probing.exchanges import LARGEST_CSEQ
from trunkpulse.probing.outcomes import ProbeCounts
from trunkpulse.probing.requests import Requests
from trunkpulse.probing.schedule import NEVER
from trunkpulse.probing.target import ProbeSettings, ProbeTarget
from trunkpulse.sip.request import Form, SharedOptions

__all__ = ["MOST_TOGETHER", "Departures"]

MOST_TOGETHER: Final = 32


class Departures:
    """See the module's opening. Of one prober, and always of its turn that is under way."""

    __slots__ = (
        "_clock",
        "_counts",
        "_forms",
        "_heard",
        "_requests",
        "_transport",
        "begun",
        "destinations",
        "messages",
        "number",
        "shaken",
        "targets",
    )

    def __init__(self, requests: Requests, clock: Clock, counts: ProbeCounts) -> None:
        self._requests = requests
        self._clock = clock
        self._counts = counts
        self.number = 1
        """Of the turn, and so of what begins in it: one object for all, where each counting its own
        would have one each."""
        self.begun: list[ProbeTarget] = []
        """Targets whose attempts began in this turn, and that have no transaction yet."""
        self.shaken = False
        """True if an attempt that began in this turn may have ended in it, too."""
        self._heard: list[MessageTransport] = []
        """Those that were read in this turn."""
        self._forms: dict[SharedOptions, Form] = {}
        self._transport: MessageTransport | None = None
        self.targets: list[ProbeTarget] = []
        """Who the batch goes to, with what is sent to each, and where; the same lists for ever."""
        self.messages: list[bytes] = []
        self.destinations: list[Address] = []

    def form(self, settings: ProbeSettings) -> Form:
        """What the requests that are added from now on are written with, as ``Requests.form`` says.

        Their transport has been listened to.
        """
        if self._transport is not settings.transport:
            self.leave()
            self._transport = settings.transport
        self._hear(settings.transport)
        form = self._forms.get(settings.options)
        if form is None:
            form = self._requests.form(settings.options, self.number)
            self._forms[settings.options] = form
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

    def end_turn(self) -> list[ProbeTarget]:
        """The targets whose attempts began in this turn and last; what begins now is the next's."""
        begun = self.begun
        if self.shaken:
            begun = [each for each in begun if each.awaiting and each.due_tick == NEVER]
        self.begun = []
        self.shaken = False
        self._heard.clear()
        self._forms.clear()
        self.number = self.number + 1 & LARGEST_CSEQ
        return begun

    def _hear(self, transport: MessageTransport) -> None:
        """Read what has arrived before anybody is asked or given up, once a turn.

        However late we are: an answer that waits to be read is no reason to ask again. And being
        woken once for both is cheaper than twice.
        """
        if transport not in self._heard:
            self._heard.append(transport)
            self.shaken = self.shaken or bool(self.begun)
            transport.drain()
