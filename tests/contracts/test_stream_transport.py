"""``StreamTransport`` on real connections over loopback, on every loop that we run on."""

import asyncio
import socket

import pytest

from contracts.far_side import Caller, answer_to, answering, far_side
from contracts.our_side import Ours, Run, closed_port, ours, run
from trunkpulse.adapters.network.errors import BindFailed
from trunkpulse.model import FailureKind, TlsSettings, TransportProtocol
from trunkpulse.ports import Address, TransportPlan

__all__ = ["run"]


# --- the ordinary --------------------------------------------------------------------------------


def test_an_answer_comes_back_over_the_connection_that_asked(run: Run) -> None:
    async def story() -> None:
        async with far_side(answering) as far, ours() as our:
            data = our.send(far)
            await our.ear.answers(1)
            assert our.ear.messages == [(answer_to(data), far.address)]
            assert our.ear.left == [data]  # it had to wait for the connection
            assert our.transport.counts.opened == 1

    run(story)


def test_one_connection_serves_request_after_request(run: Run) -> None:
    async def story() -> None:
        async with far_side(answering) as far, ours() as our:
            for number in range(1, 6):
                our.send(far, number)
                await our.ear.answers(number)
            assert (far.calls, our.transport.counts.reused, len(our.ear.left)) == (1, 4, 1)

    run(story)


def test_many_that_wait_for_one_connection_all_go_over_it(run: Run) -> None:
    async def story() -> None:
        async with far_side(answering) as far, ours() as our:
            sent = [our.send(far, number) for number in range(1, 51)]
            await our.ear.answers(50)
            assert far.calls == 1
            assert our.ear.left == sent

    run(story)


def test_ipv6_is_reached_from_an_ipv6_source(run: Run) -> None:
    async def story() -> None:
        plan = TransportPlan(TransportProtocol.TCP, ("::1", 0))
        async with far_side(answering, host="::1") as far, ours(plan) as our:
            our.send(far)
            await our.ear.answers(1)
            assert our.ear.messages[0][1] == far.address

    run(story)


def test_a_fixed_local_port_is_where_the_connection_comes_from(run: Run) -> None:
    async def story() -> None:
        seen: list[Address] = []

        async def noting(caller: Caller) -> None:
            seen.append(caller.writer.get_extra_info("peername"))
            await answering(caller)

        port = int(closed_port().address[1])
        plan = TransportPlan(TransportProtocol.TCP, ("127.0.0.1", port))
        async with far_side(noting) as far, ours(plan) as our:
            our.send(far)
            await our.ear.answers(1)
            assert seen == [("127.0.0.1", port)]

    run(story)


@pytest.mark.parametrize("portion", [1, 7])
def test_an_answer_may_come_in_any_portions(run: Run, portion: int) -> None:
    async def dribbling(caller: Caller) -> None:
        answer = answer_to(await caller.message())
        for start in range(0, len(answer), portion):
            caller.say(answer[start : start + portion])
            await caller.writer.drain()
            await asyncio.sleep(0)

    async def story() -> None:
        async with far_side(dribbling) as far, ours() as our:
            data = our.send(far)
            await our.ear.answers(1)
            assert our.ear.messages[0][0] == answer_to(data)

    run(story)


def test_two_answers_in_one_segment_are_two(run: Run) -> None:
    async def both(caller: Caller) -> None:
        first, second = await caller.message(), await caller.message()
        caller.say(answer_to(first) + b"\r\n" + answer_to(second))

    async def story() -> None:
        async with far_side(both) as far, ours() as our:
            sent = [our.send(far, 1), our.send(far, 2)]
            await our.ear.answers(2)
            assert [data for data, _ in our.ear.messages] == [answer_to(each) for each in sent]

    run(story)


# --- what goes wrong with connections ------------------------------------------------------------


def test_a_refused_connection_is_a_failure_at_once(run: Run) -> None:
    async def story() -> None:
        async with ours() as our:
            data = our.send(closed_port())
            assert await our.ear.failure() == (FailureKind.REFUSED, "Connection refused")
            assert our.ear.failures[0][0] == data
            assert our.ear.batches == 1

    run(story)


def test_a_fresh_connection_that_is_closed_without_an_answer_is_a_failure(run: Run) -> None:
    async def closing(caller: Caller) -> None:
        await caller.message()

    async def story() -> None:
        async with far_side(closing) as far, ours() as our:
            our.send(far)
            kind, detail = await our.ear.failure()
            assert kind is FailureKind.RESET
            assert detail == "the far side closed the connection without an answer"
            assert far.calls == 1

    run(story)


def test_a_fresh_connection_that_is_reset_is_a_failure(run: Run) -> None:
    async def resetting(caller: Caller) -> None:
        await caller.message()
        sock = caller.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        caller.reset()

    async def story() -> None:
        async with far_side(resetting) as far, ours() as our:
            our.send(far)
            kind, detail = await our.ear.failure()
            assert kind is FailureKind.RESET
            assert "the connection broke before an answer came" in detail

    run(story)


async def closing_after_each_answer(caller: Caller) -> None:
    caller.say(answer_to(await caller.message()))


def test_a_far_side_may_close_after_each_answer(run: Run) -> None:
    async def story() -> None:
        async with far_side(closing_after_each_answer) as far, ours() as our:
            for number in range(1, 5):
                our.send(far, number)
                await our.ear.answers(number)
            assert not our.ear.failures

    run(story)


def test_a_request_that_meets_a_connection_closed_meanwhile_is_sent_once_more(run: Run) -> None:
    async def closing_on_the_second(caller: Caller) -> None:
        caller.say(answer_to(await caller.message()))
        await caller.message()  # and no answer: it was closing already

    async def story() -> None:
        async with far_side(closing_on_the_second, answering) as far, ours() as our:
            our.send(far, 1)
            await our.ear.answers(1)
            data = our.send(far, 2)
            await our.ear.answers(2)
            assert our.ear.messages[1][0] == answer_to(data)
            assert (far.calls, our.transport.counts.repeated) == (2, 1)
            assert not our.ear.failures

    run(story)


def test_it_is_sent_once_more_and_not_again(run: Run) -> None:
    async def answering_once(caller: Caller) -> None:
        caller.say(answer_to(await caller.message()))
        await caller.message()

    async def closing(caller: Caller) -> None:
        await caller.message()

    async def story() -> None:
        async with far_side(answering_once, closing) as far, ours() as our:
            our.send(far, 1)
            await our.ear.answers(1)
            our.send(far, 2)
            assert (await our.ear.failure())[0] is FailureKind.RESET
            assert far.calls == 2

    run(story)


@pytest.mark.parametrize(
    "garbage",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP x;branch=z9hG4bK1\r\n\r\n",
        b"SIP/2.0 200 OK\r\nContent-Length: 1, 2\r\n\r\n",
    ],
    ids=["http", "ssh", "tls alert", "no length", "two lengths"],
)
def test_what_is_no_sip_is_said_to_be_none(run: Run, garbage: bytes) -> None:
    async def talking_nonsense(caller: Caller) -> None:
        await caller.message()
        caller.say(garbage)
        await caller.next()

    async def story() -> None:
        async with far_side(talking_nonsense) as far, ours() as our:
            our.send(far)
            assert (await our.ear.failure())[0] is FailureKind.MALFORMED

    run(story)


def test_after_a_failure_the_next_try_waits_a_little_and_then_succeeds(run: Run) -> None:
    async def story() -> None:
        async with ours() as our:
            far = closed_port()
            our.send(far, 1)
            await our.ear.failure()
            our.send(far, 2)
            async with far_side(answering, port=far.address[1]):
                await our.ear.answers(1)
            assert len(our.ear.failures) == 1  # the second waited until somebody listened

    run(story)


def test_a_source_that_this_machine_lacks_is_refused_at_once(run: Run) -> None:
    async def story() -> None:
        with pytest.raises(BindFailed, match=r"192\.0\.2\.1 \(this machine does not have"):
            Ours(TransportPlan(TransportProtocol.TCP, ("192.0.2.1", 0)))

    run(story)


# --- who no longer waits -------------------------------------------------------------------------


async def silent(caller: Caller) -> None:
    while await caller.next() is not None:
        pass


def test_a_connection_that_swallowed_a_request_is_not_used_again(run: Run) -> None:
    async def story() -> None:
        async with far_side(silent, answering) as far, ours() as our:
            data = our.send(far, 1)
            await our.ear.until(lambda: bool(our.ear.left))
            our.ear.within = True
            assert our.transport.withdraw(data, far.address) is None
            our.ear.within = False
            our.send(far, 2)
            await our.ear.answers(1)
            assert far.calls == 2

    run(story)


def test_what_others_wait_for_is_asked_again_over_the_new_connection(run: Run) -> None:
    async def story() -> None:
        async with far_side(silent, answering) as far, ours() as our:
            gone, kept = our.send(far, 1), our.send(far, 2)
            await our.ear.until(lambda: len(our.ear.left) == 2)
            our.transport.withdraw(gone, far.address)
            await our.ear.answers(1)
            assert our.ear.messages[0][0] == answer_to(kept)
            assert not our.ear.failures

    run(story)


def test_a_connection_over_which_something_came_meanwhile_is_kept(run: Run) -> None:
    async def answering_the_second(caller: Caller) -> None:
        await caller.message()
        while (found := await caller.next()) is not None:
            assert isinstance(found, bytes)
            caller.say(answer_to(found))

    async def story() -> None:
        async with far_side(answering_the_second) as far, ours() as our:
            unanswered = our.send(far, 1)
            our.send(far, 2)
            await our.ear.answers(1)
            our.transport.withdraw(unanswered, far.address)
            our.send(far, 3)
            await our.ear.answers(2)
            assert far.calls == 1

    run(story)


def test_a_handshake_that_does_not_end_is_named_as_what_stood_in_the_way(run: Run) -> None:
    async def story() -> None:
        shaking = asyncio.Event()

        async def listening_only(caller: Caller) -> None:
            await caller.reader.read(1)  # the client's hello
            shaking.set()
            await caller.reader.read(1 << 20)
            await caller.reader.read(1 << 20)

        plan = TransportPlan(TransportProtocol.TLS, ("0.0.0.0", 0), TlsSettings(), "127.0.0.1")
        async with far_side(listening_only) as far, ours(plan) as our:
            data = our.send(far)
            await shaking.wait()
            obstacle = our.transport.withdraw(data, far.address)
            assert obstacle is not None
            assert obstacle.kind is FailureKind.CONNECT_TIMEOUT
            assert "the TLS handshake did not end" in obstacle.detail

    run(story)


def test_while_it_backs_off_the_last_failure_is_what_stands_in_the_way(run: Run) -> None:
    async def story() -> None:
        async with ours() as our:
            far = closed_port()
            our.send(far, 1)
            await our.ear.failure()
            data = our.send(far, 2)
            await asyncio.sleep(0)
            obstacle = our.transport.withdraw(data, far.address)
            assert obstacle is not None
            assert (obstacle.kind, obstacle.detail) == (FailureKind.REFUSED, "Connection refused")

    run(story)
