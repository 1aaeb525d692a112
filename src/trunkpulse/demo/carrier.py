"""Simulated carriers on loopback: one over UDP that can fall silent and come back, one over TLS."""

from __future__ import annotations

import random
import socket

from trunkpulse.adapters.network.responder import OptionsResponder, ResponderSettings
from trunkpulse.config.settings import ServerTls, SipListen
from trunkpulse.model import TransportProtocol
from trunkpulse.ports import Address, Clock
from trunkpulse.sip.server import AnswerSettings

__all__ = ["Carrier", "listen_over_tls"]


def _settings(name: str) -> ResponderSettings:
    return ResponderSettings(answer=AnswerSettings(tag_key=name.encode(), server=name), allow=None)


def _nothing_is_lost() -> random.Random:
    # What is drawn is what gets lost; nothing is, here.
    return random.Random(0)


async def listen_over_tls(name: str, clock: Clock, tls: ServerTls) -> OptionsResponder:
    """A carrier that answers 200 over TLS until it is closed."""
    place = SipListen(TransportProtocol.TLS, "127.0.0.1", 0)
    return await OptionsResponder.listen_on(
        place, _settings(name), clock=clock, rng=_nothing_is_lost(), tls=tls
    )


class Carrier:
    """Answers 200 until it fails; a failed one takes requests and says nothing.

    Its port stays bound while it is silent, so that the outage is the one that hurts most: no
    answer and no refusal either.
    """

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self._clock = clock
        self._settings = _settings(name)
        self._silence: socket.socket | None = None
        self._responder: OptionsResponder | None = self._listen(("127.0.0.1", 0))
        self._address: Address = self._responder.local_address

    @property
    def uri(self) -> str:
        return f"sip:127.0.0.1:{self._address[1]}"

    def fail(self) -> None:
        """From now on no answers."""
        if self._responder is not None:
            self._responder.close()
            self._responder = None
            self._silence = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._silence.bind(self._address)

    def recover(self) -> None:
        """Answers again."""
        if self._silence is not None:
            self._silence.close()
            self._silence = None
            self._responder = self._listen(("127.0.0.1", self._address[1]))

    def close(self) -> None:
        """Gone for good."""
        for part in (self._responder, self._silence):
            if part is not None:
                part.close()

    def _listen(self, local: tuple[str, int]) -> OptionsResponder:
        rng = _nothing_is_lost()
        return OptionsResponder.listen(local, self._settings, clock=self._clock, rng=rng)
