"""How connections of a ``StreamTransport`` end, and what becomes of what was asked over them."""

import asyncio
import ssl
from pathlib import Path

import pytest

from certificates import Authority
from contracts.far_side import Caller, Ear, Habit, answer_to, answering, far_side, request
from contracts.our_side import TCP, Run, closed_port, ours, run
from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.network import streams
from trunkpulse.adapters.network.connection import Connection
from trunkpulse.adapters.network.flow import Flow
from trunkpulse.adapters.network.streams import StreamTransport
from trunkpulse.model import FailureKind, TlsSettings, TransportProtocol
from trunkpulse.ports import Address, Obstacle, TransportPlan

__all__ = ["run"]

GARBAGE = b"220 mail.example ESMTP\r\n"


async def silent(caller: Caller) -> None:
    while await caller.next() is not None:
        pass


# --- before anything was said --------------------------------------------------------------------


async def hanging_up_at_once(caller: Caller) -> None:
    caller.reset()


async def greeting_in_another_tongue(caller: Caller) -> None:
    caller.say(GARBAGE)
    await caller.reader.read()


@pytest.mark.parametrize(
    ("habit", "kind"),
    [
        (hanging_up_at_once, FailureKind.RESET),
        (greeting_in_another_tongue, FailureKind.MALFORMED),
    ],
)
def test_an_end_that_comes_with_the_beginning_is_told(
    run: Run, habit: Habit, kind: FailureKind
) -> None:
    async def story() -> None:
        for _ in range(20):  # whichever of the two the loop sees first
            async with far_side(habit) as far, ours() as our:
                our.send(far)
                assert (await our.ear.failure())[0] is kind

    run(story)


def test_a_connection_that_ended_before_it_was_known_is_told_as_well(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop may tell of the end before it resumes whoever opened the connection."""

    async def greeting_and_waiting(caller: Caller) -> None:
        await greeting_in_another_tongue(caller)
        hung_up.set()

    hung_up = asyncio.Event()

    async def story() -> None:
        async with far_side(greeting_and_waiting) as far, ours() as our:
            dial = our.transport._dialler.dial

            async def dial_and_dawdle(
                flow: Flow, destination: Address, connection: Connection
            ) -> None:
                await dial(flow, destination, connection)
                await hung_up.wait()
                assert connection.has_ended

            monkeypatch.setattr(our.transport._dialler, "dial", dial_and_dawdle)
            our.send(far)
            kind, detail = await our.ear.failure()
            assert kind is FailureKind.MALFORMED
            assert "'220 mail.example ESMTP\\r\\n' is not how a SIP message begins" in detail

    run(story)


# --- in the middle of things ---------------------------------------------------------------------


def test_an_answer_counts_whatever_comes_after_it(run: Run) -> None:
    async def adding_garbage(caller: Caller) -> None:
        caller.say(answer_to(await caller.message()) + GARBAGE)
        await caller.reader.read()

    async def story() -> None:
        async with far_side(adding_garbage) as far, ours() as our:
            for number in range(1, 4):
                our.send(far, number)
                await our.ear.answers(number)
            assert not our.ear.failures

    run(story)


def test_what_is_half_answered_when_the_connection_ends_is_not_asked_again(run: Run) -> None:
    async def breaking_off(caller: Caller) -> None:
        caller.say(answer_to(await caller.message()))
        caller.say(answer_to(await caller.message())[:40])

    async def story() -> None:
        async with far_side(breaking_off, answering) as far, ours() as our:
            our.send(far, 1)
            await our.ear.answers(1)
            our.send(far, 2)
            assert (await our.ear.failure())[0] is FailureKind.RESET
            assert far.calls == 1

    run(story)


def test_a_request_made_while_its_connection_ends_goes_over_a_new_one(run: Run) -> None:
    class Asking(Ear):
        """Asks again when the answer comes, after whatever else came with it."""

        transport: StreamTransport

        def message_received(self, data: bytes, source: Address, now: float) -> None:
            super().message_received(data, source, now)
            if len(self.messages) == 1:
                asyncio.get_running_loop().call_soon(self.transport.send, request(3), source)

    async def answering_one_of_two(caller: Caller) -> None:
        first = await caller.message()
        await caller.message()
        caller.say(answer_to(first) + GARBAGE)
        await caller.reader.read()

    async def story() -> None:
        ear = Asking()
        our = ear.transport = StreamTransport.open(TCP, ear, SystemClock())
        async with far_side(answering_one_of_two, answering) as far:
            our.send(request(1), far.address)
            our.send(request(2), far.address)
            await ear.until(lambda: len(ear.messages) == 2 and bool(ear.failures))
            assert [data for data, _ in ear.messages] == [
                answer_to(request(1)),
                answer_to(request(3)),
            ]
            assert [(data, kind) for data, kind, _ in ear.failures] == [
                (request(2), FailureKind.MALFORMED)
            ]
            our.close()

    run(story)


# --- withdrawn -----------------------------------------------------------------------------------


def test_one_silence_costs_one_connection(run: Run) -> None:
    """A hundred targets at one dead address do not open a hundred connections a round."""

    async def reading_to_the_last(caller: Caller) -> None:
        while (found := await caller.next()) is not None:
            if found == request(50):
                read.set()

    read = asyncio.Event()

    async def story() -> None:
        async with far_side(reading_to_the_last) as far, ours() as our:
            sent = [our.send(far, number) for number in range(1, 21)]
            await our.ear.until(lambda: len(our.ear.left) == 20)
            our.transport.withdraw(sent[0], far.address)
            await our.ear.until(lambda: len(our.ear.left) == 39)
            for data in sent[1:]:
                our.transport.withdraw(data, far.address)
            our.send(far, 50)
            await read.wait()
            assert (far.calls, our.transport.counts.opened) == (2, 2)

    run(story)


def test_what_was_never_sent_can_be_withdrawn(run: Run) -> None:
    async def story() -> None:
        async with far_side(answering) as far, ours() as our:
            assert our.transport.withdraw(request(), far.address) is None
            data = our.send(far)
            await our.ear.answers(1)
            assert our.transport.withdraw(data, far.address) is None
            our.send(far, 2)
            await our.ear.answers(2)
            assert far.calls == 1

    run(story)


# --- answered, or not to its end -----------------------------------------------------------------


def test_what_was_answered_over_another_connection_is_not_asked_again(run: Run) -> None:
    """A far side may answer over a connection of its own, which ``settled`` tells."""

    async def answering_elsewhere(caller: Caller) -> None:
        caller.say(answer_to(await caller.message()))
        await caller.message()
        read.set()
        await go.wait()

    async def noting(caller: Caller) -> None:
        heard.append(await caller.message())
        caller.say(answer_to(heard[-1]))
        await silent(caller)

    read, go = asyncio.Event(), asyncio.Event()
    heard: list[bytes] = []

    async def story() -> None:
        async with far_side(answering_elsewhere, noting) as far, ours() as our:
            our.send(far, 1)
            await our.ear.answers(1)
            data = our.send(far, 2)
            await read.wait()
            our.ear.within = True
            our.transport.settled(data, far.address)
            our.ear.within = False
            go.set()
            our.send(far, 3)
            await our.ear.answers(2)
            assert (heard, our.ear.failures) == ([request(3)], [])

    run(story)


def test_answers_over_another_connection_never_fill_this_one_up(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "WAITING_LIMIT", 3)

    async def story() -> None:
        async with far_side(silent) as far, ours() as our:
            our.transport.settled(request(), far.address)  # of whom nothing is known
            for number in range(1, 10):
                data = our.send(far, number)
                await our.ear.until(lambda: bool(our.ear.left))
                our.transport.settled(data, far.address)
            our.transport.withdraw(our.send(far, 10), far.address)
            assert our.ear.failures == []

    run(story)


def test_an_answer_that_does_not_end_takes_no_other_one_with_it(run: Run) -> None:
    """Its length is too large by so much that all later answers would be taken for its body."""

    async def exaggerating(caller: Caller) -> None:
        answer = answer_to(await caller.message())
        caller.say(answer.replace(b"Content-Length: 0", b"Content-Length: 60000"))
        for _ in range(2):
            caller.say(answer_to(await caller.message()))

    async def story() -> None:
        async with far_side(exaggerating, answering) as far, ours() as our:
            first = our.send(far, 1)
            await our.ear.until(lambda: bool(our.ear.left))
            connection = our.transport._flows[far.address].connection
            assert connection is not None
            await our.ear.until(lambda: connection.message_since is not None)
            our.ear.within = True
            assert our.transport.withdraw(first, far.address) == Obstacle(
                FailureKind.MALFORMED, "an answer began and did not end"
            )
            our.ear.within = False
            our.send(far, 2)
            await our.ear.answers(1)
            assert far.calls == 2

    run(story)


# --- closed by us --------------------------------------------------------------------------------


def test_closing_leaves_nothing_behind_whatever_was_under_way(run: Run, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = authority.issue("127.0.0.1")
    context.load_cert_chain(issued.cert_file, issued.key_file)
    tls = TlsSettings(ca_file=str(authority.ca_file))
    plan = TransportPlan(TransportProtocol.TLS, ("127.0.0.1", 0), tls, "127.0.0.1")

    async def listening_only(caller: Caller) -> None:
        await caller.reader.read(1)  # the client's hello, and never an answer
        shaking.set()
        await caller.reader.read()
        hung_up.set()

    shaking, hung_up = asyncio.Event(), asyncio.Event()

    async def story() -> None:
        async with far_side(listening_only) as deaf, far_side(answering, tls=context) as far:
            async with ours(plan) as our:
                our.send(far)
                await our.ear.answers(1)
                refusing = closed_port()
                our.send(refusing)
                await our.ear.failure()
                our.send(refusing, 2)  # which waits before it tries again
                our.send(deaf, 3)
                await shaking.wait()
            await hung_up.wait()
            for _ in range(5):
                await asyncio.sleep(0)
            left = [task for task in asyncio.all_tasks() if "StreamTransport" in repr(task)]
            assert not left

    run(story)
