"""What a ``StreamTransport`` does between probes: it pings, parts, and remembers certificates."""

import asyncio

import pytest

from contracts.far_side import Caller, answer_to, answering, far_side, request
from contracts.our_side import Run, ours, run
from trunkpulse.adapters.network import streams
from trunkpulse.sip.framing import Pulse

__all__ = ["run"]


async def silent(caller: Caller) -> None:
    while await caller.next() is not None:
        pass


def test_a_ping_of_the_far_side_is_answered(run: Run) -> None:
    async def story() -> None:
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def pinging(caller: Caller) -> None:
            caller.say(answer_to(await caller.message()))
            caller.say(b"\r\n\r\n")
            answered.set_result(await caller.reader.readexactly(2))

        async with far_side(pinging) as far, ours() as our:
            our.send(far)
            assert await answered == b"\r\n"

    run(story)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle connections are looked after as fast as the test can watch."""
    monkeypatch.setattr(streams, "ROUND_SECONDS", 0.01)
    monkeypatch.setattr(streams, "PING_AFTER_SECONDS", 0.02)
    monkeypatch.setattr(streams, "PONG_WITHIN_SECONDS", 0.05)


@pytest.mark.usefixtures("impatient")
def test_an_idle_connection_is_pinged_and_pongs_keep_it(run: Run) -> None:
    async def story() -> None:
        pinged = asyncio.Event()
        pings = 0

        async def ponging(caller: Caller) -> None:
            nonlocal pings
            while (found := await caller.next()) is not None:
                if isinstance(found, bytes):
                    caller.say(answer_to(found))
                else:
                    caller.say(b"\r\n")
                    pings += 1
                    if pings == 5:
                        pinged.set()

        async with far_side(ponging) as far, ours() as our:
            our.send(far, 1)
            await pinged.wait()
            our.send(far, 2)
            await our.ear.answers(2)
            assert far.calls == 1
            assert our.transport.counts.pings >= 5
            assert our.transport.counts.dead_flows == 0

    run(story)


@pytest.mark.usefixtures("impatient")
def test_a_far_side_that_stops_ponging_gets_a_new_connection_and_no_verdict(run: Run) -> None:
    async def story() -> None:
        hung_up = asyncio.Event()

        async def ponging_once(caller: Caller) -> None:
            caller.say(answer_to(await caller.message()))
            assert await caller.next() is Pulse.PING
            caller.say(b"\r\n")
            await silent(caller)
            hung_up.set()

        async with far_side(ponging_once, answering) as far, ours() as our:
            our.send(far, 1)
            await hung_up.wait()
            assert our.transport.counts.dead_flows == 1
            assert not our.ear.failures
            our.send(far, 2)
            await our.ear.answers(2)
            assert far.calls == 2

    run(story)


@pytest.mark.usefixtures("impatient")
def test_a_far_side_that_never_pongs_is_left_in_peace(run: Run) -> None:
    async def story() -> None:
        enough = asyncio.Event()

        async def deaf_to_pings(caller: Caller) -> None:
            pings = 0
            while (found := await caller.next()) is not None:
                if isinstance(found, bytes):
                    caller.say(answer_to(found))
                else:
                    pings += 1
                    if pings == 5:
                        enough.set()

        async with far_side(deaf_to_pings) as far, ours() as our:
            our.send(far, 1)
            await enough.wait()
            our.send(far, 2)
            await our.ear.answers(2)
            assert far.calls == 1

    run(story)


@pytest.mark.usefixtures("impatient")
def test_a_connection_that_nobody_uses_any_more_is_closed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "UNUSED_SECONDS", 0.1)

    async def story() -> None:
        hung_up = asyncio.Event()

        async def noticing(caller: Caller) -> None:
            await answering(caller)
            hung_up.set()

        async with far_side(noticing) as far, ours() as our:
            our.send(far)
            await our.ear.answers(1)
            await hung_up.wait()
            assert not our.ear.failures

    run(story)


@pytest.mark.usefixtures("impatient")
def test_a_line_too_many_is_no_pong_so_none_is_missed(run: Run) -> None:
    async def ending_with_a_line_too_many(caller: Caller) -> None:
        pings = 0
        while (found := await caller.next()) is not None:
            if isinstance(found, bytes):
                caller.say(answer_to(found) + b"\r\n")
            pings += found is Pulse.PING
            if pings == 8:
                enough.set()

    enough = asyncio.Event()

    async def story() -> None:
        async with far_side(ending_with_a_line_too_many) as far, ours() as our:
            our.send(far)
            await enough.wait()
            assert (far.calls, our.transport.counts.dead_flows) == (1, 0)

    run(story)


@pytest.mark.usefixtures("impatient")
def test_who_says_anything_after_a_ping_is_alive(run: Run) -> None:
    async def ponging_once_then_asking(caller: Caller) -> None:
        caller.say(answer_to(await caller.message()))
        assert await caller.next() is Pulse.PING
        caller.say(b"\r\n")
        for _ in range(5):
            assert await caller.next() is Pulse.PING
            caller.say(request(7))
        enough.set()
        await silent(caller)

    enough = asyncio.Event()

    async def story() -> None:
        async with far_side(ponging_once_then_asking) as far, ours() as our:
            our.send(far)
            await enough.wait()
            assert (far.calls, our.transport.counts.dead_flows) == (1, 0)

    run(story)
