"""What a UDP transport makes of a kernel that refuses a datagram, or an address."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import pytest

from trunkpulse.adapters.network.errors import BindFailed
from trunkpulse.adapters.network.sending import sending_on
from trunkpulse.adapters.network.udp import UdpTransport
from trunkpulse.model import FailureKind
from trunkpulse.ports import Address


class MachineClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


class Recorder:
    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.failures: list[tuple[bytes, FailureKind, str]] = []
        self.failures_by_batch: list[int] = []
        self._changed = asyncio.Event()

    def message_left(self, data: bytes, now: float) -> None:
        raise AssertionError("a datagram never waits for a connection")

    def message_received(self, data: bytes, source: Address, now: float) -> None:
        self.received.append(data)

    def send_failed(
        self, data: bytes, destination: Address, kind: FailureKind, detail: str, now: float
    ) -> None:
        self.failures.append((data, kind, detail))

    def batch_finished(self) -> None:
        self.failures_by_batch.append(len(self.failures) - sum(self.failures_by_batch))
        self._changed.set()

    async def until_told(self, *, received: int = 0, failures: int = 0) -> None:
        async with asyncio.timeout(30):
            while len(self.received) < received or len(self.failures) < failures:
                self._changed.clear()
                await self._changed.wait()


class UnwillingSocket(socket.socket):
    """A real socket whose next sends fail as written in ``refusals``."""

    def __init__(self) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_DGRAM)
        self.bind(("127.0.0.1", 0))
        self.refusals: Iterator[int] = iter(())
        self.sent: list[bytes] = []

    def sendto(  # type: ignore[override]  # one of the two forms that the stubs know
        self, data: bytes, destination: Address
    ) -> int:
        for number in self.refusals:
            raise OSError(number, os.strerror(number))
        self.sent.append(data)
        return super().sendto(data, destination)


def unwilling(*refusals: int) -> tuple[UdpTransport, UnwillingSocket, Recorder]:
    sock, heard = UnwillingSocket(), Recorder()
    sock.refusals = iter(refusals)
    return UdpTransport(sock, heard, MachineClock()), sock, heard


@pytest.mark.parametrize("number", [errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH])
async def test_pending_error_of_another_datagram_is_not_charged_to_this_one(number: int) -> None:
    transport, sock, heard = unwilling(number)
    with closing(transport):
        transport.send(b"innocent", transport.local_address)
        assert sock.sent == [b"innocent"]
        sock.refusals = iter((errno.EPERM,))
        transport.send(b"guilty", transport.local_address)
        await heard.until_told(failures=1)
        assert [data for data, _, _ in heard.failures] == [b"guilty"]


async def test_refusals_that_leave_nothing_in_the_error_queue_are_never_this_destinations() -> None:
    transport, sock, _ = unwilling(*[errno.ECONNREFUSED] * 8)
    with closing(transport):
        transport.send(b"innocent", transport.local_address)
        assert sock.sent == [b"innocent"]


@pytest.mark.parametrize("number", [errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EMSGSIZE])
async def test_error_that_repeats_is_this_destinations_own(number: int) -> None:
    transport, sock, heard = unwilling(number, number)
    with closing(transport):
        transport.send(b"hopeless", transport.local_address)
        transport.send(b"fine", transport.local_address)
        await heard.until_told(failures=1)
        detail = f"{os.strerror(number)} (this machine could not send)"
        assert heard.failures == [(b"hopeless", FailureKind.UNREACHABLE, detail)]
        assert sock.sent == [b"fine"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL])
async def test_error_that_no_network_can_cause_is_believed_at_once(number: int) -> None:
    transport, sock, heard = unwilling(number)
    with closing(transport):
        transport.send(b"forbidden", transport.local_address)
        await heard.until_told(failures=1)
        assert sock.sent == []


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOBUFS])
async def test_datagrams_wait_in_order_while_the_kernel_has_no_room(number: int) -> None:
    transport, _, heard = unwilling(number, number, number)
    with closing(transport):
        datagrams = [b"one", b"two", b"three"]
        for data in datagrams:
            transport.send(data, transport.local_address)
        assert transport.waited_datagrams == 3
        await heard.until_told(received=3)
        assert heard.received == datagrams
        assert heard.failures == []


async def test_datagram_beyond_a_full_backlog_is_reported_and_counted() -> None:
    transport, _, heard = unwilling(errno.EAGAIN)
    with closing(transport):
        for _ in range(4_096):
            transport.send(b"waits", transport.local_address)
        transport.send(b"one too many", transport.local_address)
        await heard.until_told(failures=1)
        assert [(data, kind) for data, kind, _ in heard.failures] == [
            (b"one too many", FailureKind.UNREACHABLE)
        ]
        assert (transport.waited_datagrams, transport.overflowed_datagrams) == (4_096, 1)


Kernel = Callable[[Sequence[bytes], Sequence[Address]], int]


def sending_as(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sockets that are opened from now on send many as ``kernel`` does."""
    monkeypatch.setattr("trunkpulse.adapters.network.udp.sending_on", lambda sock: kernel)


async def test_what_one_call_leaves_over_the_next_one_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batches: list[list[bytes]] = []

    def kernel(messages: Sequence[bytes], destinations: Sequence[Address]) -> int:
        batches.append(list(messages))
        return min(3, len(messages))

    sending_as(kernel, monkeypatch)
    transport, sock, _ = unwilling()
    with closing(transport):
        messages = [b"%d" % number for number in range(7)]
        transport.send_many(messages, [transport.local_address] * 7)
        assert batches == [messages, messages[3:]]
        assert sock.sent == messages[6:]  # so few are not worth a call for many


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no such call")
def test_as_many_messages_as_places_and_no_more_than_fit() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        send_many = sending_on(sock)
        assert send_many is not None
        here: Address = sock.getsockname()
        for messages, places in (([b"x"] * 65, [here] * 65), ([b"x"] * 3, [here] * 2)):
            with pytest.raises(ValueError, match="at most 64 leave together"):
                send_many(messages, places)
        assert send_many([b"x"] * 64, [here] * 64) == 64


async def test_many_wait_in_order_while_the_kernel_has_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def kernel(messages: Sequence[bytes], destinations: Sequence[Address]) -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    sending_as(kernel, monkeypatch)
    transport, _, heard = unwilling(errno.EAGAIN)
    with closing(transport):
        messages = [b"%d" % number for number in range(200)]
        transport.send_many(messages, [transport.local_address] * 200)
        assert transport.waited_datagrams == 200
        await heard.until_told(received=200)
        assert heard.received == messages


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no such call")
async def test_two_hundred_leave_with_a_call_for_every_sixty_four(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []

    def counting(sock: socket.socket) -> Kernel:
        send_many = sending_on(sock)
        assert send_many is not None

        def kernel(messages: Sequence[bytes], destinations: Sequence[Address]) -> int:
            calls.append(len(messages))
            return send_many(messages, destinations)

        return kernel

    monkeypatch.setattr("trunkpulse.adapters.network.udp.sending_on", counting)
    transport, sock, heard = unwilling()
    with closing(transport):
        messages = [b"%d" % number * (1 + number % 20) for number in range(200)]
        transport.send_many(messages, [transport.local_address] * 200)
        await heard.until_told(received=200)
        assert heard.received == messages
        assert sock.sent == []
        assert calls == [64, 64, 64, 8]


async def test_each_of_very_many_refusals_is_told_though_the_buffer_has_room_for_few() -> None:
    heard = Recorder()
    transport = UdpTransport.open(
        ("127.0.0.1", 0), heard, MachineClock(), receive_buffer_bytes=65_536
    )
    with closing(transport), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        dead = gone.getsockname()
        gone.close()
        messages = [b"%06d" % number + b"x" * 430 for number in range(512)]
        places = [transport.local_address if number % 32 > 29 else dead for number in range(512)]
        for start in range(0, 512, 32):
            transport.send_many(messages[start : start + 32], places[start : start + 32])
        await heard.until_told(received=32, failures=480)
        refused = {data for data, kind, _ in heard.failures if kind is FailureKind.REFUSED}
        assert refused == {each for number, each in enumerate(messages) if number % 32 <= 29}
        assert heard.received == [each for each in messages if each not in refused]


async def test_receiver_that_sends_again_on_every_failure_does_not_hold_up_the_loop() -> None:
    class Stubborn(Recorder):
        def send_failed(
            self, data: bytes, destination: Address, kind: FailureKind, detail: str, now: float
        ) -> None:
            super().send_failed(data, destination, kind, detail, now)
            if len(self.failures) < 5:
                transport.send(data, destination)

    heard = Stubborn()
    with closing(UdpTransport.open(("127.0.0.1", 0), heard, MachineClock())) as transport:
        transport.send(b"x" * 70_000, transport.local_address)
        await heard.until_told(failures=5)
        assert heard.failures_by_batch == [1, 1, 1, 1, 1]


async def test_an_address_in_use_is_told_apart_from_one_that_is_not_ours() -> None:
    with closing(UdpTransport.open(("127.0.0.1", 0), Recorder(), MachineClock())) as first:
        port = first.local_address[1]
        with pytest.raises(BindFailed) as taken:
            UdpTransport.open(("127.0.0.1", port), Recorder(), MachineClock())
    assert taken.value.errno == errno.EADDRINUSE
    assert taken.value.local == ("127.0.0.1", port)
    assert (
        taken.value.strerror
        == f"cannot use the local address 127.0.0.1:{port} (another program uses it)"
    )
    with pytest.raises(BindFailed) as foreign:
        UdpTransport.open(("192.0.2.1", 0), Recorder(), MachineClock())
    assert foreign.value.strerror == (
        "cannot use the local address 192.0.2.1 (this machine does not have that address)"
    )


async def test_local_address_must_be_a_literal() -> None:
    with pytest.raises(
        OSError, match=r"cannot use the local address not\.an\.address \(it is not an IP addr"
    ):
        UdpTransport.open(("not.an.address", 0), Recorder(), MachineClock())
