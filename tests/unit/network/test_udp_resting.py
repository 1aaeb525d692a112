"""How a UDP transport reads: when it rests, and when it says that a datagram arrived."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from trunkpulse.adapters.network.udp import UdpTransport
from trunkpulse.model import FailureKind
from trunkpulse.ports import Address
from virtual_time import VirtualClock, run_virtual

LOCAL = ("127.0.0.1", 0)
REST_SECONDS = 0.05
SMALL_BUFFER_BYTES = 64 * 1024
MORE_THAN_A_READING = 2_500


class SetClock:
    """The machine's clocks, which may jump, and of which one may be set."""

    def __init__(self) -> None:
        self.passed_seconds = 0.0
        self.set_by_seconds = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.passed_seconds

    def wall(self) -> float:
        return time.time() + self.passed_seconds + self.set_by_seconds


class Ear:
    """Keeps what arrived and when, and lets a test meddle while it is handed over."""

    def __init__(self) -> None:
        self.arrived: list[tuple[bytes, float]] = []
        self.meddle: Callable[[], None] | None = None
        self._batch = asyncio.Event()

    def message_left(self, data: bytes, now: float) -> None:
        raise AssertionError("a datagram never waits for a connection")

    def message_received(self, data: bytes, source: Address, now: float) -> None:
        self.arrived.append((data, now))
        meddle, self.meddle = self.meddle, None
        if meddle is not None:
            meddle()

    def send_failed(
        self, data: bytes, destination: Address, kind: FailureKind, detail: str, now: float
    ) -> None:
        raise AssertionError(detail)

    def batch_finished(self) -> None:
        self._batch.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.arrived) < count:
                self._batch.clear()
                await self._batch.wait()


def peer_of(transport: UdpTransport) -> socket.socket:
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.connect(transport.local_address)
    return peer


async def put_to_rest(peer: socket.socket, ear: Ear) -> None:
    """Two readings at the same moment: the socket rests after the second."""
    for _ in range(2):
        peer.send(b"one on the heels of another")
        await ear.until(len(ear.arrived) + 1)


async def let_the_loop_run() -> None:
    """Everything that is ready; no time passes."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_what_arrives_during_a_rest_is_read_after_it() -> None:
    async def main() -> None:
        ear, clock = Ear(), VirtualClock()
        transport = UdpTransport.open(LOCAL, ear, clock)
        with closing(transport), peer_of(transport) as peer:
            await put_to_rest(peer, ear)
            peer.send(b"meanwhile")
            await let_the_loop_run()
            assert len(ear.arrived) == 2
            await clock.advance(REST_SECONDS)
            assert ear.arrived[-1][0] == b"meanwhile"

    run_virtual(main)


def test_a_rest_begins_anew_for_whoever_reads_on_his_own_account() -> None:
    async def main() -> None:
        ear, clock = Ear(), VirtualClock()
        transport = UdpTransport.open(LOCAL, ear, clock)
        with closing(transport), peer_of(transport) as peer:
            await put_to_rest(peer, ear)
            for _ in range(4):
                await clock.advance(REST_SECONDS / 2)
                peer.send(b"asked for")
                transport.drain()
            assert len(ear.arrived) == 2 + 4
            peer.send(b"waits for the rest to end")
            await let_the_loop_run()
            assert len(ear.arrived) == 2 + 4
            await clock.advance(REST_SECONDS)
            assert len(ear.arrived) == 2 + 5

    run_virtual(main)


def test_a_socket_that_is_not_read_to_its_end_does_not_rest() -> None:
    async def main() -> None:
        ear, clock = Ear(), VirtualClock()
        transport = UdpTransport.open(LOCAL, ear, clock)
        with closing(transport), peer_of(transport) as peer:
            await put_to_rest(peer, ear)
            for _ in range(MORE_THAN_A_READING):
                peer.send(b"")
            await clock.advance(REST_SECONDS)
            await let_the_loop_run()
            waited = MORE_THAN_A_READING - transport.dropped_datagrams()
            assert len(ear.arrived) == 2 + waited

    run_virtual(main)


@pytest.mark.parametrize(("buffer_bytes", "rests"), [(SMALL_BUFFER_BYTES, False), (2**21, True)])
def test_a_socket_whose_buffer_would_fill_up_meanwhile_does_not_rest(
    buffer_bytes: int, *, rests: bool
) -> None:
    async def main() -> None:
        ear, clock = Ear(), VirtualClock()
        transport = UdpTransport.open(LOCAL, ear, clock, receive_buffer_bytes=buffer_bytes)
        with closing(transport), peer_of(transport) as peer:
            await put_to_rest(peer, ear)
            for _ in range(40):
                peer.send(b"a good part of a small buffer")
            await clock.advance(REST_SECONDS)
            assert len(ear.arrived) == 2 + 40
            peer.send(b"one more")
            await let_the_loop_run()
            assert (len(ear.arrived) == 2 + 40) is rests

    run_virtual(main)


def test_a_receiver_that_raises_does_not_leave_the_socket_deaf() -> None:
    async def main() -> None:
        ear, clock = Ear(), VirtualClock()
        told: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: told.append(context["exception"])
        )

        def fail() -> None:
            raise LookupError("a defect")

        transport = UdpTransport.open(LOCAL, ear, clock)
        with closing(transport), peer_of(transport) as peer:
            await put_to_rest(peer, ear)
            ear.meddle = fail
            peer.send(b"fatal")
            await clock.advance(REST_SECONDS)
            assert [type(each) for each in told] == [LookupError]
            peer.send(b"after it")
            await clock.advance(10 * REST_SECONDS)
            assert ear.arrived[-1][0] == b"after it"

    run_virtual(main)


def test_a_transport_that_is_closed_by_what_it_hands_over_reads_no_more() -> None:
    async def main() -> None:
        ear, clock = Ear(), VirtualClock()
        transport = UdpTransport.open(LOCAL, ear, clock)
        with closing(transport), peer_of(transport) as peer:
            await put_to_rest(peer, ear)
            ear.meddle = transport.close
            for _ in range(3):
                peer.send(b"the first is the last")
            await clock.advance(10 * REST_SECONDS)
            assert len(ear.arrived) == 2 + 1

    run_virtual(main)


async def test_a_datagram_arrives_when_the_kernel_took_it_and_not_when_it_is_read() -> None:
    ear, clock = Ear(), SetClock()
    transport = UdpTransport.open(LOCAL, ear, clock)
    with closing(transport), peer_of(transport) as peer:
        peer.send(b"early")
        read = clock.monotonic() + 60.0
        clock.passed_seconds = 60.0  # the loop was busy elsewhere
        await ear.until(1)
        assert ear.arrived[0][1] < read


async def test_a_datagram_that_comes_while_others_are_read_did_not_come_before_it_was_sent() -> (
    None
):
    ear = Ear()
    sent: list[float] = []
    transport = UdpTransport.open(LOCAL, ear, SetClock())
    with closing(transport), peer_of(transport) as peer:

        def send_another() -> None:
            sent.append(time.monotonic())
            peer.send(b"second")

        ear.meddle = send_another
        peer.send(b"first")
        await ear.until(2)
        assert ear.arrived[1][1] >= sent[0]


@pytest.mark.parametrize("set_by_seconds", [3_600.0, -3_600.0])
async def test_a_clock_that_is_set_between_arrival_and_reading_moves_no_arrival(
    set_by_seconds: float,
) -> None:
    ear, clock = Ear(), SetClock()
    opened = time.monotonic()
    transport = UdpTransport.open(LOCAL, ear, clock)
    with closing(transport), peer_of(transport) as peer:
        peer.send(b"just before")
        clock.set_by_seconds = set_by_seconds
        await ear.until(1)
        assert opened <= ear.arrived[0][1] <= time.monotonic()
