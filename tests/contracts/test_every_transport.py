"""What ``ports.MessageTransport`` promises, kept over UDP, TCP and TLS alike, on both loops."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from certificates import Authority
from contracts.far_side import Ear, answer_to, request
from contracts.our_side import Run, run
from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.network.listener import StreamListener
from trunkpulse.adapters.network.streams import StreamTransport
from trunkpulse.adapters.network.udp import UdpTransport
from trunkpulse.config.settings import ServerTls
from trunkpulse.model import FailureKind, TlsSettings, TransportProtocol
from trunkpulse.ports import Address, MessageReceiver, MessageTransport, TransportPlan

__all__ = ["run"]

UDP, TLS = TransportProtocol.UDP, TransportProtocol.TLS


class Answering(Ear):
    """Answers each request from within, as a responder does."""

    transport: MessageTransport
    last_words: bytes | None = None
    """The request upon which it closes instead."""

    def message_received(self, data: bytes, source: Address, now: float) -> None:
        super().message_received(data, source, now)
        if data == self.last_words:
            self.transport.close()
        elif data.startswith(b"OPTIONS"):
            self.transport.send(answer_to(data), source)


@dataclass
class World:
    """Who asks and who answers over one protocol, on one kind of address."""

    protocol: TransportProtocol
    host: str
    authority: Authority

    def asking(self, receiver: MessageReceiver) -> MessageTransport:
        if self.protocol is UDP:
            return UdpTransport.open((self.host, 0), receiver, SystemClock())
        tls = TlsSettings(ca_file=str(self.authority.ca_file))
        secured = self.protocol is TLS
        plan = TransportPlan(
            self.protocol, (self.host, 0), tls if secured else None, self.host if secured else None
        )
        return StreamTransport.open(plan, receiver, SystemClock())

    async def answering(self, receiver: MessageReceiver) -> MessageTransport:
        if self.protocol is UDP:
            return UdpTransport.open((self.host, 0), receiver, SystemClock())
        issued = self.authority.issue(self.host)
        tls = ServerTls(cert_file=str(issued.cert_file), key_file=str(issued.key_file))
        place = (self.host, 0)
        return await StreamListener.listen(
            self.protocol, place, receiver, SystemClock(), tls=tls if self.protocol is TLS else None
        )

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[tuple[Ear, MessageTransport, Answering]]:
        near, far = Ear(), Answering()
        asking, far.transport = self.asking(near), await self.answering(far)
        try:
            yield near, asking, far
        finally:
            for transport in (asking, far.transport):
                transport.close()
                transport.close()


@pytest.fixture(params=list(TransportProtocol), ids=str)
def world(request: pytest.FixtureRequest, tmp_path: Path, host: str) -> World:
    return World(request.param, host, Authority(tmp_path))


@pytest.fixture(params=["127.0.0.1", "::1"])
def host(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


Calls = Callable[[], None]


def from_outside(ear: Ear, calls: Calls) -> None:
    """Make ``calls``, during which the ear must hear nothing."""
    ear.within = True
    calls()
    ear.within = False


def test_it_says_what_it_is_and_where_messages_leave_from(run: Run, world: World) -> None:
    async def story() -> None:
        async with world.pair() as (_, asking, far):
            assert asking.protocol is far.transport.protocol is world.protocol
            assert asking.local_address[0] == far.transport.local_address[0] == world.host
            assert (len(asking.local_address) == 4) is (":" in world.host)

    run(story)


def test_an_answer_comes_from_where_the_request_went(run: Run, world: World) -> None:
    async def story() -> None:
        async with world.pair() as (near, asking, far):
            to = far.transport.local_address
            from_outside(near, lambda: asking.send(request(), to))
            await near.answers(1)
            assert near.messages == [(answer_to(request()), to)]
            assert [data for data, _ in far.messages] == [request()]
            assert near.batches >= 1
            assert far.batches >= 1

    run(story)


@pytest.mark.parametrize("together", [False, True])
def test_what_is_sent_at_once_arrives_whole_each_once_and_in_order(
    run: Run, world: World, *, together: bool
) -> None:
    sent = [request(number) for number in range(1, 101)]

    async def story() -> None:
        async with world.pair() as (near, asking, far):
            to = far.transport.local_address
            if together:
                from_outside(near, lambda: asking.send_many(sent, [to] * len(sent)))
            else:
                for data in sent:
                    asking.send(data, to)
            await near.answers(len(sent))
            assert [data for data, _ in far.messages] == sent
            assert [data for data, _ in near.messages] == [answer_to(data) for data in sent]
            assert near.failures == far.failures == []

    run(story)


def test_a_refusal_is_told_once_send_has_returned_and_charged_to_who_refused(
    run: Run, world: World
) -> None:
    async def story() -> None:
        async with world.pair() as (near, asking, far):
            spare = await world.answering(Ear())
            dead = spare.local_address
            spare.close()
            from_outside(near, lambda: asking.send(request(1), dead))
            asking.send(request(2), far.transport.local_address)
            await near.answers(1)
            kind, detail = await near.failure()
            assert kind is FailureKind.REFUSED
            assert detail.startswith("Connection refused")
            assert [data for data, _, _ in near.failures] == [request(1)]
            assert near.messages == [(answer_to(request(2)), far.transport.local_address)]

    run(story)


@pytest.mark.parametrize("astray", ["other family", "no such port"])
def test_a_place_that_cannot_be_is_told_and_the_next_message_leaves(
    run: Run, world: World, astray: str
) -> None:
    destination: Address = (world.host, 65_536)
    if astray == "other family":
        destination = ("192.0.2.1", 5060) if ":" in world.host else ("2001:db8::1", 5060, 0, 0)

    async def story() -> None:
        async with world.pair() as (near, asking, far):
            from_outside(near, lambda: asking.send(request(1), destination))
            assert (await near.failure())[0] is FailureKind.UNREACHABLE
            asking.send(request(2), far.transport.local_address)
            await near.answers(1)

    run(story)


ALIVE, DEAD, STRANGE, NO_PORT = "alive", "dead", "strange", "no port"


@pytest.mark.parametrize(
    "kinds",
    [
        [ALIVE, DEAD, STRANGE, ALIVE, NO_PORT, ALIVE],
        [ALIVE, DEAD, ALIVE, DEAD, ALIVE, ALIVE, ALIVE, DEAD],
    ],
    ids=["all kinds", "refused in the middle"],
)
def test_of_many_sent_together_each_failure_is_charged_to_its_own(
    run: Run, world: World, kinds: list[str]
) -> None:
    async def story() -> None:
        async with world.pair() as (near, asking, far):
            spare = await world.answering(Ear())
            dead = spare.local_address
            spare.close()
            other_family = ("192.0.2.1", 5060) if ":" in world.host else ("2001:db8::1", 5060, 0, 0)
            places: dict[str, Address] = {
                ALIVE: far.transport.local_address,
                DEAD: dead,
                STRANGE: other_family,
                NO_PORT: (world.host, 65_536),
            }
            messages = [request(number) for number in range(1, len(kinds) + 1)]
            from_outside(near, lambda: asking.send_many(messages, [places[kind] for kind in kinds]))
            alive = [data for data, kind in zip(messages, kinds, strict=True) if kind == ALIVE]
            await near.answers(len(alive))
            await near.until(lambda: len(near.failures) >= len(kinds) - len(alive))
            assert {data: kind for data, kind, _ in near.failures} == {
                data: FailureKind.REFUSED if kind == DEAD else FailureKind.UNREACHABLE
                for data, kind in zip(messages, kinds, strict=True)
                if kind != ALIVE
            }
            assert [data for data, _ in far.messages] == alive

    run(story)


def test_what_is_sent_after_closing_is_told_to_have_failed(run: Run, world: World) -> None:
    async def story() -> None:
        async with world.pair() as (near, asking, far):
            asking.close()
            from_outside(near, lambda: asking.send(request(), far.transport.local_address))
            kind, detail = await near.failure()
            assert kind is FailureKind.UNREACHABLE
            assert "closed" in detail
            assert far.messages == []

    run(story)


def test_who_closes_from_within_hears_no_more(run: Run, world: World) -> None:
    async def story() -> None:
        async with world.pair() as (near, asking, far):
            far.last_words = request(2)
            to = far.transport.local_address
            for number in (1, 2, 3):
                asking.send(request(number), to)
            await far.until(lambda: len(far.messages) == 2)
            await near.answers(1)
            async with world.pair() as (other, more, alive):  # the loop goes round for a while
                more.send(request(4), alive.transport.local_address)
                await other.answers(1)
            assert [data for data, _ in far.messages] == [request(1), request(2)]

    run(story)


def test_whoever_asks_may_close_upon_the_first_of_many_answers(run: Run, world: World) -> None:
    class Content(Ear):
        transport: MessageTransport

        def message_received(self, data: bytes, source: Address, now: float) -> None:
            super().message_received(data, source, now)
            self.transport.close()

    async def story() -> None:
        async with world.pair() as (other, more, far):
            near = Content()
            asking = near.transport = world.asking(near)
            to = far.transport.local_address
            for number in range(1, 20):
                asking.send(request(number), to)
            await near.answers(1)
            more.send(request(40), to)
            await other.answers(1)
            assert len(near.messages) == 1

    run(story)


def test_an_answered_or_unknown_request_is_withdrawn_without_an_obstacle(
    run: Run, world: World
) -> None:
    async def story() -> None:
        async with world.pair() as (near, asking, far):
            to = far.transport.local_address
            assert asking.withdraw(request(1), to) is None
            asking.send(request(2), to)
            await near.answers(1)
            assert asking.withdraw(request(2), to) is None
            asking.send(request(3), to)
            await near.answers(2)
            assert near.failures == []

    run(story)


def test_whatever_is_settled_the_next_message_leaves(run: Run, world: World) -> None:
    async def story() -> None:
        async with world.pair() as (near, asking, far):
            to = far.transport.local_address
            from_outside(near, lambda: asking.settled(request(1), to))
            asking.send(request(2), to)
            await near.answers(1)
            for transport in (asking, far.transport):
                from_outside(near, lambda: transport.settled(request(2), to))  # noqa: B023 - now
            assert asking.withdraw(request(2), to) is None
            asking.send(request(3), to)
            await near.answers(2)
            assert near.failures == []

    run(story)


def test_a_certificate_is_known_where_there_is_one(run: Run, world: World) -> None:
    async def story() -> None:
        async with world.pair() as (near, asking, far):
            to = far.transport.local_address
            assert asking.certificate(to) is None
            asking.send(request(), to)
            await near.answers(1)
            shown = asking.certificate(to)
            assert (shown is not None) is (world.protocol is TLS)
            assert shown is None or shown.names == (world.host,)

    run(story)
