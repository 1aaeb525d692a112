"""What every MessageTransport keeps: IPv4 and IPv6, on asyncio's own loop and on uvloop."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, closing

import pytest
import uvloop

from trunkpulse.adapters.network.udp import UdpTransport
from trunkpulse.model import FailureKind
from trunkpulse.ports import Address, MessageTransport

Run = Callable[[Coroutine[None, None, None]], None]

HEARS_REFUSALS = sys.platform == "linux"


def _has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


HOSTS = ["127.0.0.1", "::1"] if _has_ipv6_loopback() else ["127.0.0.1"]


class MachineClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


class Recorder:
    """A receiver that keeps what it hears and lets a test wait for it."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, Address]] = []
        self.moments: list[float] = []
        self.failures: list[tuple[bytes, Address, FailureKind, str]] = []
        self.answer_through: MessageTransport | None = None
        self._changed = asyncio.Event()

    def message_left(self, data: bytes, now: float) -> None:
        raise AssertionError("a datagram never waits for a connection")

    def message_received(self, data: bytes, source: Address, now: float) -> None:
        self.received.append((data, source))
        self.moments.append(now)
        if self.answer_through is not None:
            self.answer_through.send(data, source)

    def send_failed(
        self, data: bytes, destination: Address, kind: FailureKind, detail: str, now: float
    ) -> None:
        self.failures.append((data, destination, kind, detail))

    def batch_finished(self) -> None:
        self._changed.set()

    async def until_told(self, *, received: int = 0, failures: int = 0) -> None:
        async with asyncio.timeout(60):
            while len(self.received) < received or len(self.failures) < failures:
                self._changed.clear()
                await self._changed.wait()

    @property
    def failed_destinations(self) -> set[Address]:
        return {destination for _, destination, _, _ in self.failures}


class End:
    """A transport with its recorder."""

    def __init__(self, host: str) -> None:
        self.heard = Recorder()
        self.transport = UdpTransport.open((host, 0), self.heard, MachineClock())
        self.address = self.transport.local_address

    def close(self) -> None:
        self.transport.close()


def refusing(host: str, stack: ExitStack) -> Address:
    """An address that answers every datagram with ICMP port unreachable.

    Its port stays taken: the socket on it is connected to another one and hears nobody else.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
    sock.bind((host, 0))
    sock.connect((host, 9))
    address: Address = sock.getsockname()
    return address


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_datagram_arrives_whole_with_its_source_and_its_moment(run: Run, host: str) -> None:
    async def scenario() -> None:
        with closing(End(host)) as near, closing(End(host)) as far:
            before = time.monotonic()
            near.transport.send(b"OPTIONS", far.address)
            await far.heard.until_told(received=1)
            assert far.heard.received == [(b"OPTIONS", near.address)]
            assert before <= far.heard.moments[0] <= time.monotonic()

    run(scenario())


def test_largest_datagram_arrives_whole(run: Run, host: str) -> None:
    async def scenario() -> None:
        with closing(End(host)) as near, closing(End(host)) as far:
            near.transport.send(b"x" * 65_507, far.address)
            await far.heard.until_told(received=1)
            assert far.heard.received[0][0] == b"x" * 65_507

    run(scenario())


def test_bursts_both_ways_lose_nothing(run: Run, host: str) -> None:
    async def scenario() -> None:
        with closing(End(host)) as near, closing(End(host)) as far:
            far.heard.answer_through = far.transport
            # As many at once as surely fit into the buffer that an unprivileged user is granted.
            at_once = min(2_000, near.transport.granted_receive_buffer_bytes // 2_048)
            sent = [b"%d" % number for number in range(2_000)]
            for start in range(0, len(sent), at_once):
                for data in sent[start : start + at_once]:
                    near.transport.send(data, far.address)
                await near.heard.until_told(received=min(start + at_once, len(sent)))
            assert [data for data, _ in far.heard.received] == sent
            assert [data for data, _ in near.heard.received] == sent
            assert near.heard.failures == far.heard.failures == []

    run(scenario())


def test_refusal_is_charged_to_its_own_destination(run: Run, host: str) -> None:
    async def scenario() -> None:
        with ExitStack() as stack:
            near = stack.enter_context(closing(End(host)))
            far = stack.enter_context(closing(End(host)))
            dead = refusing(host, stack)
            near.transport.send(b"to the dead", dead)
            near.transport.send(b"to the living", far.address)
            await far.heard.until_told(received=1)
            assert far.heard.received == [(b"to the living", near.address)]
            if HEARS_REFUSALS:
                await near.heard.until_told(failures=1)
                assert near.heard.failures == [
                    (
                        b"to the dead",
                        dead,
                        FailureKind.REFUSED,
                        "Connection refused (ICMP port unreachable)",
                    )
                ]

    run(scenario())


def test_thousands_of_refusals_neither_stop_reading_nor_touch_the_living(
    run: Run, host: str
) -> None:
    async def scenario() -> None:
        with ExitStack() as stack:
            near = stack.enter_context(closing(End(host)))
            far = stack.enter_context(closing(End(host)))
            far.heard.answer_through = far.transport
            dead = {refusing(host, stack) for _ in range(3)}
            for number in range(1_000):
                for address in dead:
                    near.transport.send(b"refused", address)
                near.transport.send(b"%d" % number, far.address)
                if number % 50 == 49:
                    await near.heard.until_told(received=number + 1)
            assert [data for data, _ in near.heard.received] == [b"%d" % n for n in range(1_000)]
            assert near.heard.failed_destinations <= dead
            if not HEARS_REFUSALS:
                return
            assert near.heard.failed_destinations == dead
            # The loop is idle when this refusal comes in, and again when the answer does. Older
            # kernels answer only a thousand refusals a second, hence more than one try.
            near.heard.failures.clear()
            while not near.heard.failures:
                answered = len(near.heard.received)
                near.transport.send(b"refused", next(iter(dead)))
                near.transport.send(b"answered", far.address)
                await near.heard.until_told(received=answered + 1)

    run(scenario())


def test_refusal_that_finds_the_loop_idle_is_heard_and_reading_goes_on(run: Run, host: str) -> None:
    async def scenario() -> None:
        with ExitStack() as stack:
            near = stack.enter_context(closing(End(host)))
            far = stack.enter_context(closing(End(host)))
            dead = refusing(host, stack)
            for number in range(20):
                if HEARS_REFUSALS:
                    near.transport.send(b"refused", dead)
                    await near.heard.until_told(failures=number + 1)
                far.transport.send(b"still there?", near.address)
                await near.heard.until_told(received=number + 1)

    run(scenario())


def test_datagram_that_cannot_be_sent_is_reported_after_send_has_returned(
    run: Run, host: str
) -> None:
    async def scenario() -> None:
        with closing(End(host)) as near, closing(End(host)) as far:
            too_long = b"x" * 70_000
            near.transport.send(too_long, far.address)
            near.transport.send(b"fits", far.address)
            assert near.heard.failures == []
            await near.heard.until_told(failures=1)
            ((data, destination, kind, detail),) = near.heard.failures
            assert (data, destination) == (too_long, far.address)
            assert kind is FailureKind.UNREACHABLE
            assert detail == "Message too long (this machine could not send)"
            await far.heard.until_told(received=1)
            assert far.heard.received == [(b"fits", near.address)]

    run(scenario())


@pytest.mark.parametrize("astray", ["other family", "no such port"])
def test_destination_that_cannot_be_is_reported_and_the_next_datagram_leaves(
    run: Run, host: str, astray: str
) -> None:
    ipv4, ipv6 = ("192.0.2.1", 5060), ("2001:db8::1", 5060, 0, 0)
    destination: Address
    if astray == "no such port":
        destination = (host, 65_536, 0, 0) if ":" in host else (host, 65_536)
        detail = f"{host} port 65536 is no address to send to"
    elif ":" in host:
        destination, detail = ipv4, "192.0.2.1 is an IPv4 address, and this socket is IPv6"
    else:
        destination, detail = ipv6, "2001:db8::1 is an IPv6 address, and this socket is IPv4"

    async def scenario() -> None:
        with closing(End(host)) as near, closing(End(host)) as far:
            near.transport.send(b"astray", destination)
            near.transport.send(b"fits", far.address)
            assert near.heard.failures == []
            await near.heard.until_told(failures=1)
            ((data, where, kind, said),) = near.heard.failures
            assert (data, where, kind) == (b"astray", destination, FailureKind.UNREACHABLE)
            assert said.startswith(detail)
            await far.heard.until_told(received=1)
            assert far.heard.received == [(b"fits", near.address)]

    run(scenario())


def test_closing_twice_is_harmless_and_a_later_send_is_reported(run: Run, host: str) -> None:
    async def scenario() -> None:
        with closing(End(host)) as near, closing(End(host)) as far:
            near.transport.close()
            near.transport.close()
            near.transport.send(b"too late", far.address)
            await near.heard.until_told(failures=1)
            assert near.heard.failures == [
                (
                    b"too late",
                    far.address,
                    FailureKind.UNREACHABLE,
                    "The local socket is closed",
                )
            ]

    run(scenario())


def test_receiver_may_close_the_transport_from_within(run: Run, host: str) -> None:
    async def scenario() -> None:
        with closing(End(host)) as near, closing(End(host)) as far:
            heard = far.heard

            class Closing(Recorder):
                def message_received(self, data: bytes, source: Address, now: float) -> None:
                    super().message_received(data, source, now)
                    mine.close()

            closer = Closing()
            mine = UdpTransport.open((host, 0), closer, MachineClock())
            near.transport.send(b"one", mine.local_address)
            near.transport.send(b"two", mine.local_address)
            await closer.until_told(received=1)
            near.transport.send(b"three", far.address)
            await heard.until_told(received=1)
            assert closer.received == [(b"one", near.address)]

    run(scenario())
