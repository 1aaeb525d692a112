"""What tests of the OPTIONS responder share: requests, a wire, and who waits for answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from trunkpulse.adapters.network.responder import Fate, OptionsResponder, ResponderSettings
from trunkpulse.model import FailureKind, TransportProtocol
from trunkpulse.ports import Address, Certificate, Obstacle
from trunkpulse.sip.message import Response, parse_message
from trunkpulse.sip.server import AnswerSettings

PEER: Address = ("192.0.2.7", 5060)
ANSWER = AnswerSettings(tag_key=b"key")
ECHOING = AnswerSettings(tag_key=b"key", echo=True)
RESPONSE = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKours\r\n\r\n"


def options(
    branch: str = "z9hG4bK1", method: str = "OPTIONS", via: str = "192.0.2.7:5060"
) -> bytes:
    return (
        f"{method} sip:198.51.100.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {via};rport;branch={branch}\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:a@192.0.2.7>;tag=1\r\nTo: <sip:198.51.100.1>\r\n"
        f"Call-ID: {branch}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


class Wire:
    """A transport that keeps what is sent, and when by the loop's clock."""

    def __init__(self, protocol: TransportProtocol) -> None:
        self.protocol = protocol
        self.sent: list[tuple[float, Response, Address]] = []
        self.closed = False

    @property
    def local_address(self) -> Address:
        return ("198.51.100.1", 5060)

    def send(self, data: bytes, destination: Address) -> None:
        message = parse_message(data)
        assert isinstance(message, Response)
        self.sent.append((asyncio.get_running_loop().time(), message, destination))

    def send_many(self, messages: Sequence[bytes], destinations: Sequence[Address]) -> None:
        for data, destination in zip(messages, destinations, strict=True):
            self.send(data, destination)

    def withdraw(self, data: bytes, destination: Address) -> Obstacle | None:
        return None

    def settled(self, data: bytes, destination: Address) -> None:
        """Nothing is kept."""

    def drain(self) -> None:
        """Nothing waits to be read."""

    def dropped_datagrams(self) -> int:
        return 0

    def certificate(self, destination: Address) -> Certificate | None:
        return None

    def close(self) -> None:
        self.closed = True

    @property
    def codes(self) -> list[int]:
        return [response.code for _, response, _ in self.sent]


class Waiting:
    """Who waits for answers to probes of ours."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, Address, float]] = []
        self.batches = 0

    def message_received(self, data: bytes, source: Address, now: float) -> None:
        self.received.append((data, source, now))

    def message_left(self, data: bytes, now: float) -> None:
        raise AssertionError("it sends nothing")

    def send_failed(
        self, data: bytes, destination: Address, kind: FailureKind, detail: str, now: float
    ) -> None:
        raise AssertionError("it sends nothing")

    def batch_finished(self) -> None:
        self.batches += 1


class Bench:
    """A responder on a wire of its own."""

    def __init__(
        self,
        settings: ResponderSettings | None = None,
        *,
        protocol: TransportProtocol = TransportProtocol.UDP,
        answers: Waiting | None = None,
        seed: int = 1,
    ) -> None:
        self.wire = Wire(protocol)
        self.fates: list[Fate] = []
        self.responder = OptionsResponder(
            settings or ResponderSettings(answer=ANSWER),
            rng=random.Random(seed),
            heard=lambda data, source, fate: self.fates.append(fate),
            answers=answers,
        )
        self.responder.serve(self.wire)

    def ask(self, source: Address = PEER, now: float = 0.0, data: bytes | None = None) -> Fate:
        self.responder.message_received(options() if data is None else data, source, now)
        return self.fates[-1]
