"""What tests of the redirect server share: a server on a wire of the test's own."""

from __future__ import annotations

import random
from collections.abc import Callable

from contracts.responder_bench import Wire
from trunkpulse.adapters.network.responder import Fate, OptionsResponder, ResponderSettings
from trunkpulse.adapters.network.sources import Rates
from trunkpulse.adapters.sip_redirect import RedirectCounts, RedirectServer, RedirectSettings
from trunkpulse.model import TransportProtocol
from trunkpulse.ports import Address
from trunkpulse.sip.asked import Asked
from trunkpulse.sip.message import Response
from trunkpulse.sip.redirect import contact_header
from trunkpulse.sip.server import AnswerSettings
from virtual_time import VirtualClock

PEER: Address = ("192.0.2.7", 5060)
TAKEN = ("INVITE", "ACK", "CANCEL", "OPTIONS")


class RedirectBench:
    """Made and used within ``run_virtual``."""

    def __init__(
        self,
        *,
        protocol: TransportProtocol = TransportProtocol.UDP,
        calls_per_second: float = 10_000.0,
        rates: Rates | None = None,
        most_calls: int = 1000,
        settings: ResponderSettings | None = None,
        verdict: Callable[[Asked], tuple[int, bytes]] | None = None,
    ) -> None:
        self.wire = Wire(protocol)
        self.clock = VirtualClock()
        self.counts = RedirectCounts()
        self.fates: list[Fate] = []
        self.decided: list[str] = []
        self.responder = OptionsResponder(
            settings or ResponderSettings(answer=AnswerSettings(tag_key=b"key", allow=TAKEN)),
            rng=random.Random(1),
            heard=lambda data, source, fate: self.fates.append(fate),
            calls=RedirectServer(
                RedirectSettings(tag_key=b"key", calls_per_second=calls_per_second),
                verdict=verdict or self._verdict,
                counts=self.counts,
                clock=self.clock,
                rates=rates,
                most_calls=most_calls,
            ),
        )
        self.responder.serve(self.wire)

    def _verdict(self, asked: Asked) -> tuple[int, bytes]:
        """Another place each time, so that a second decision would show."""
        self.decided.append(asked.uri)
        return 302, contact_header([f"sip:+15551230001@198.51.100.{len(self.decided)}"])

    def hear(self, data: bytes, source: Address = PEER, *, waited: float = 0.0) -> Fate:
        self.responder.message_received(data, source, self.clock.monotonic() - waited)
        return self.fates[-1]

    @property
    def answers(self) -> list[Response]:
        return [response for _, response, _ in self.wire.sent]

    @property
    def moments(self) -> list[float]:
        return [moment for moment, _, _ in self.wire.sent]
