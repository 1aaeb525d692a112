"""What a ``StreamTransport`` refuses, and what it does while no connection comes about."""

import asyncio
import contextlib
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from contracts.far_side import Caller, Ear, Far, answer_to, answering, far_side, request
from contracts.our_side import Run, closed_port, ours, run
from trunkpulse.adapters.network import streams
from trunkpulse.adapters.network.streams import StreamTransport
from trunkpulse.model import FailureKind, TransportProtocol
from trunkpulse.ports import Address, Obstacle, TransportPlan

__all__ = ["run"]


@contextmanager
def deaf() -> Iterator[Far]:
    """A place that takes no connection and refuses none: nobody accepts, and its queue is full."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("0.0.0.0", 0))
        server.listen(0)
        address = ("127.0.0.1", server.getsockname()[1])
        for _ in range(4):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(address)
        yield Far(address)


def test_a_connection_that_does_not_come_about_is_what_stands_in_the_way(run: Run) -> None:
    async def story() -> None:
        with deaf() as far:
            async with ours() as our:
                sent = [our.send(far, number) for number in (1, 2)]
                await asyncio.sleep(0)
                for data in sent:
                    our.ear.within = True
                    obstacle = our.transport.withdraw(data, far.address)
                    our.ear.within = False
                    assert obstacle == Obstacle(
                        FailureKind.CONNECT_TIMEOUT,
                        "no connection came about within the time of the attempt",
                    )
                assert (our.ear.left, our.ear.failures) == ([], [])

    run(story)


def test_places_that_take_no_connection_keep_nobody_else_from_connecting(run: Run) -> None:
    async def story() -> None:
        with contextlib.ExitStack() as stack:
            dead = [stack.enter_context(deaf()) for _ in range(20)]
            async with far_side(answering) as far, ours() as our:
                for number, nobody in enumerate(dead):
                    for host in range(15):
                        our.send(Far((f"127.0.0.{host + 1}", nobody.address[1])), number)
                our.send(far, 1000)
                await our.ear.answers(1)
                assert our.ear.messages[0][0] == answer_to(request(1000))

    run(story)


def test_so_many_wait_for_one_connection_and_no_more(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "WAITING_LIMIT", 3)

    async def story() -> None:
        with deaf() as far:
            async with ours() as our:
                sent = [our.send(far, number) for number in range(1, 5)]
                assert await our.ear.failure() == (
                    FailureKind.UNREACHABLE,
                    "3 messages wait for a connection already",
                )
                assert [data for data, _, _ in our.ear.failures] == sent[3:]

    run(story)


def test_so_many_go_unanswered_on_one_connection_and_no_more(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "WAITING_LIMIT", 3)

    async def reading_alone(caller: Caller) -> None:
        while await caller.next() is not None:
            pass

    async def story() -> None:
        async with far_side(reading_alone) as far, ours() as our:
            sent = [our.send(far, 1)]
            await our.ear.until(lambda: bool(our.ear.left))
            sent += [our.send(far, number) for number in (2, 3, 4)]
            assert await our.ear.failure() == (
                FailureKind.UNREACHABLE,
                "the far side reads nothing",
            )
            assert [data for data, _, _ in our.ear.failures] == sent[3:]

    run(story)


@pytest.mark.parametrize(
    ("destination", "words"),
    [
        (("127.0.0.1", 65_536), "127.0.0.1 port 65536 is no address to connect to"),
        (("127.0.0.1", 0), "127.0.0.1 port 0 is no address to connect to"),
        (("::1", 5060, 0, 0), "::1 is an IPv6 address, and connections leave from IPv4 here"),
    ],
)
def test_where_no_connection_can_lead_is_said(run: Run, destination: Address, words: str) -> None:
    async def story() -> None:
        async with far_side(answering) as far, ours() as our:
            our.send(Far(destination))
            assert await our.ear.failure() == (FailureKind.UNREACHABLE, words)
            our.send(far, 2)
            await our.ear.answers(1)

    run(story)


class SteppedClock:
    """Shows what a test says."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


def test_each_failure_in_a_row_doubles_the_pause_up_to_two_seconds(run: Run) -> None:
    async def story() -> None:
        ear, clock, far = Ear(), SteppedClock(), closed_port()
        transport = StreamTransport.open(
            TransportPlan(TransportProtocol.TCP, ("0.0.0.0", 0)), ear, clock, rng=random.Random(1)
        )
        pauses = []
        for number in range(1, 9):
            transport.send(request(number), far.address)
            await ear.until(lambda: len(ear.failures) == number)  # noqa: B023 - awaited here
            pauses.append(transport._flows[far.address].not_before - clock.now)
            clock.now += 10
        expected = [0.25, 0.5, 1, 2, 2, 2, 2, 2]
        for pause, middle in zip(pauses, expected, strict=True):
            assert 0.75 * middle <= pause <= 1.25 * middle
        assert len(set(pauses)) == len(pauses)
        assert transport.counts.failed == 8
        transport.close()

    run(story)


def test_a_success_forgets_the_failures_before_it(run: Run) -> None:
    async def story() -> None:
        ear, clock, far = Ear(), SteppedClock(), closed_port()
        transport = StreamTransport.open(
            TransportPlan(TransportProtocol.TCP, ("0.0.0.0", 0)), ear, clock
        )
        for number in (1, 2, 3):
            transport.send(request(number), far.address)
            await ear.until(lambda: len(ear.failures) == number)  # noqa: B023 - awaited here
            clock.now += 10
        async with far_side(answering, port=far.address[1]):
            transport.send(request(4), far.address)
            await ear.answers(1)
            assert transport._flows[far.address].failures == 0
            transport.close()

    run(story)


def test_where_we_listen_ourselves_another_port_is_taken_to_connect_from(run: Run) -> None:
    async def story() -> None:
        seen: list[int] = []

        async def noting(caller: Caller) -> None:
            seen.append(caller.writer.get_extra_info("peername")[1])
            await answering(caller)

        with socket.create_server(("127.0.0.1", 0)) as server:
            taken = server.getsockname()[1]
            plan = TransportPlan(TransportProtocol.TCP, ("127.0.0.1", taken))
            async with far_side(noting) as far, ours(plan) as our:
                our.send(far)
                await our.ear.answers(1)
                assert seen != [taken]

    run(story)


def test_one_fixed_port_serves_a_connection_to_each_far_side(run: Run) -> None:
    async def story() -> None:
        seen: list[int] = []

        async def noting(caller: Caller) -> None:
            seen.append(caller.writer.get_extra_info("peername")[1])
            await answering(caller)

        port = int(closed_port().address[1])
        plan = TransportPlan(TransportProtocol.TCP, ("127.0.0.1", port))
        async with far_side(noting) as one, far_side(noting) as other, ours(plan) as our:
            our.send(one, 1)
            our.send(other, 2)
            await our.ear.answers(2)
            assert seen == [port, port]

    run(story)
