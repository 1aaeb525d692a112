"""A prober with a wire that keeps what was sent and a sink that keeps what was judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from trunkpulse.model import FailureKind, KeepalivePolicy, ProbeIdentity, TransportProtocol
from trunkpulse.ports import Address, Certificate, Obstacle
from trunkpulse.probing.attempt import literal_server
from trunkpulse.probing.prober import Prober
from trunkpulse.probing.target import ProbeSettings, ProbeTarget
from trunkpulse.sip.message import Request, parse_message
from trunkpulse.sip.request import SharedOptions
from trunkpulse.sip.server import AnswerSettings, answer_request
from trunkpulse.sip.uri import SipUri
from virtual_time import VirtualClock

OPTIONS = SharedOptions(sent_by="127.0.0.1:5070")
NEXT_SECONDS = 30.0


@dataclass
class Wire:
    """A ``MessageTransport`` that delivers nothing."""

    sent: list[tuple[bytes, Address]] = field(default_factory=list)
    local_address: Address = ("127.0.0.1", 5070)
    protocol: TransportProtocol = TransportProtocol.UDP
    obstacle: Obstacle | None = None
    """What ``withdraw`` finds in the way."""
    withdrawn: list[bytes] = field(default_factory=list)
    answered: list[tuple[bytes, Address]] = field(default_factory=list)
    """What was told to be settled."""
    unread: Callable[[], None] | None = None
    """Hands over what has arrived and was not read, when it is asked for."""
    together: list[int] = field(default_factory=list)
    """How many were sent with one call, each time."""
    dropped: int = 0
    """What the kernel is to say that it threw away."""

    def withdraw(self, data: bytes, destination: Address) -> Obstacle | None:
        self.withdrawn.append(data)
        return self.obstacle

    def settled(self, data: bytes, destination: Address) -> None:
        self.answered.append((data, destination))

    def drain(self) -> None:
        unread, self.unread = self.unread, None
        if unread is not None:
            unread()

    def dropped_datagrams(self) -> int:
        return self.dropped

    def certificate(self, destination: Address) -> Certificate | None:
        return None

    def send(self, data: bytes, destination: Address) -> None:
        self.sent.append((data, destination))

    def send_many(self, messages: Sequence[bytes], destinations: Sequence[Address]) -> None:
        self.together.append(len(messages))
        for data, destination in zip(messages, destinations, strict=True):
            self.send(data, destination)

    def close(self) -> None:
        return


@dataclass
class Verdicts:
    """An ``AttemptSink`` that asks for the next attempt after half a minute."""

    seen: list[tuple[str, int | FailureKind]] = field(default_factory=list)
    rtts: list[float] = field(default_factory=list)

    def answered(self, target: ProbeTarget, code: int, rtt_seconds: float, data: bytes) -> float:
        self.seen.append((target.uri, code))
        self.rtts.append(rtt_seconds)
        return NEXT_SECONDS

    def failed(self, target: ProbeTarget, kind: FailureKind, detail: str) -> float:
        self.seen.append((target.uri, kind))
        return NEXT_SECONDS


class Bench:
    """Everything together, on the virtual time of the running loop."""

    def __init__(
        self,
        *uris: str,
        timeout_seconds: float = 4.0,
        protocol: TransportProtocol = TransportProtocol.UDP,
        identity: ProbeIdentity | None = None,
    ) -> None:
        self.clock = VirtualClock()
        self.wire = Wire(protocol=protocol)
        self.verdicts = Verdicts()
        self.prober = Prober(clock=self.clock, sink=self.verdicts)
        policy = KeepalivePolicy(timeout_seconds=timeout_seconds)
        settings = ProbeSettings(policy, identity or ProbeIdentity(), OPTIONS, self.wire)
        self.targets = [
            ProbeTarget(uri, f"trunk of {uri}", settings, _address(uri)) for uri in uris
        ]
        self.prober.add(self.targets)

    def requests(self) -> list[Request]:
        """What was sent, as the far side would read it."""
        parsed = [parse_message(data) for data, _ in self.wire.sent]
        return [request for request in parsed if isinstance(request, Request)]

    def answer_to(self, position: int, *, code: int = 200) -> bytes:
        """The far side's answer to the datagram sent at ``position``."""
        data, (host, port, *_) = self.wire.sent[position]
        settings = AnswerSettings(tag_key=b"far side", code=code)
        answer = answer_request(data, host, port, settings=settings)
        assert answer is not None
        return answer.data

    def arrive(self, data: bytes, source: Address = ("192.0.2.1", 5060)) -> None:
        self.prober.message_received(data, source, self.clock.monotonic())
        self.prober.batch_finished()


def _address(uri: str) -> Address | None:
    server = literal_server(SipUri.parse(uri))
    return None if server is None else server.address
