"""Ways to have a webhook connect to where its maker may not: none of them opens a connection.

Each is tried through the sink that the product uses, as a stream that came through the API. Two
look on: a trap, which is a real web server on loopback at the very port that the URL names, and
the dialler, which keeps every address that was to be connected to.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import dns.message
import dns.rrset
import pytest

from http_receiver import Receiver, saying
from outbound_world import Dialler, networks, way_out
from torture.ssrf_tricks import PUBLIC, RECORDS, TRICKS
from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks import make_sink
from trunkpulse.config.settings import IpNetwork
from trunkpulse.model import Destination, EventStream
from trunkpulse.ports import Delivery, DeliveryOutcome, DestinationInvalid, SinkAnswer
from unit.network.name_server import NameServer, serving

EVENT = json.dumps(
    {
        "eventType": "telephony.trunks.stateChange",
        "timestamp": 1_700_000_000_000,
        "entityId": "carrier-a",
        "entityName": "Carrier A",
        "state": "DOWN",
        "previousState": "AVAILABLE",
        "reasonCode": "NETWORK_ERROR",
        "metadata": {
            "eventId": "evt_1",
            "sequence": 1,
            "instanceId": "edge-1",
            "region": "default",
            "failedAttempts": 3,
            "lastSuccessfulKeepalive": None,
            "evidence": [],
        },
    }
)


@dataclass
class World:
    """A machine with something on loopback that nobody outside may reach."""

    trap: Receiver
    names: NameServer
    outside: Outside
    dialler: Dialler
    allowed: list[IpNetwork] = field(default_factory=list)

    async def told(self, url: str, *, file: str | None = None) -> SinkAnswer | None:
        """What comes of one event for ``url``; None if no such stream can be made at all."""
        return await self.sent(Destination(type="webhook", url=url), file=file)

    async def sent(self, there: Destination, *, file: str | None = None) -> SinkAnswer | None:
        """The same for a destination of any type."""
        stream = EventStream(
            id="theirs",
            name="Theirs",
            destination=replace(there, url=there.url.replace("{port}", str(self.trap.port))),
            managed_by=file,
        )
        try:
            sink = make_sink(stream, self.outside)
        except DestinationInvalid:
            return None
        try:
            return await sink.deliver(a_delivery())
        finally:
            await sink.close()

    async def visitors(self) -> int:
        """How many connections the trap has seen, up to now."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.trap.port)
        writer.write(b"GET / HTTP/1.1\r\ncontent-length: 0\r\n\r\n")
        await reader.readline()  # connections are taken in order: nobody waits before this one
        writer.close()
        await writer.wait_closed()
        return self.trap.connections - 1


def a_delivery() -> Delivery:
    return Delivery(
        id=1,
        stream_id="theirs",
        trunk_id="carrier-a",
        event_id="evt_1",
        position=1,
        body=EVENT,
        attempts=0,
        created_ms=1_700_000_000_000,
    )


@asynccontextmanager
async def a_world(folder: Path, names: NameServer) -> AsyncIterator[World]:
    trap, dialler, allowed = Receiver(), Dialler(), list[IpNetwork]()
    await trap.start()
    try:
        async with serving(names) as port:
            outside = way_out(
                folder,
                dialler,
                name_server_port=port,
                hosts="127.0.0.1 in-the-hosts-file\n",
                allow=lambda: tuple(allowed),
            )
            yield World(trap, names, outside, dialler, allowed)
    finally:
        await trap.stop()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, NameServer(dict(RECORDS))) as made:
        yield made


@pytest.mark.parametrize("url", TRICKS)
async def test_a_trick_opens_no_connection(world: World, url: str) -> None:
    answer = await world.told(url)
    assert answer is None or answer.outcome is not DeliveryOutcome.ACCEPTED
    assert world.dialler.dialled == []
    assert await world.visitors() == 0


async def test_the_trap_and_the_dialler_would_have_noticed(world: World) -> None:
    answer = await world.told("http://127.0.0.1:{port}/", file="trunkpulse.toml")
    assert answer is not None
    assert answer.outcome is DeliveryOutcome.ACCEPTED
    assert world.dialler.dialled == ["127.0.0.1"]
    assert await world.visitors() == 1


async def test_a_public_name_is_dialled_by_the_address_that_was_checked(world: World) -> None:
    assert await world.told("http://public.example:{port}/") is not None
    assert world.dialler.dialled == [PUBLIC]


async def test_what_is_refused_says_which_key_to_set_and_keeps_the_address(world: World) -> None:
    answer = await world.told("http://private.example/")
    assert answer is not None
    assert "allow under [outbound]" in answer.detail
    assert "private address" in answer.detail
    assert "10.1.2.3" not in answer.detail


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/",
        "http://metadata.example/",
        "http://100.100.100.200/",
        "http://[fe80::1%25lo]:{port}/",
        "http://0.0.0.0:{port}/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://2130706433:{port}/",
    ],
)
async def test_not_even_the_file_leads_there_unawares(world: World, url: str) -> None:
    await world.told(url, file="trunkpulse.toml")
    assert world.dialler.dialled == []
    assert await world.visitors() == 0


# --- what is no webhook --------------------------------------------------------------------------


OTHERS = [
    Destination(type="amqp", url="amqp://me@{host}:{port}/", secret="hush"),
    Destination(type="kafka", url="kafka://{host}:{port}", options=(("topic", "t"),)),
    Destination(type="nats", url="nats://{host}:{port}", options=(("subject", "s"),)),
    Destination(type="redis", url="redis://{host}:{port}/0", options=(("key", "k"),)),
    Destination(type="pagerduty", url="http://{host}:{port}/v2/enqueue", secret="0" * 32),
    Destination(
        type="servicenow",
        url="http://{host}:{port}",
        secret="hush",
        options=(("username", "me"), ("mode", "event")),
    ),
]
INSIDE = [
    *("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "0.0.0.0"),
    *("loopback.example", "mixed.example", "alias2.example", "in-the-hosts-file"),
]


@pytest.mark.parametrize("host", INSIDE)
@pytest.mark.parametrize("there", OTHERS, ids=lambda each: each.type)
async def test_other_destinations_are_not_led_inside_either(
    world: World, there: Destination, host: str
) -> None:
    answer = await world.sent(replace(there, url=there.url.replace("{host}", host)))
    assert answer is None or answer.outcome is not DeliveryOutcome.ACCEPTED
    assert world.dialler.dialled == []
    assert await world.visitors() == 0


@pytest.mark.parametrize("there", OTHERS, ids=lambda each: each.type)
async def test_a_connection_of_each_of_them_would_have_been_seen(
    world: World, there: Destination
) -> None:
    seen = asyncio.Event()

    async def see(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.set()
        writer.close()

    async with await asyncio.start_server(see, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = there.url.replace("{host}", "127.0.0.1").replace("{port}", str(port))
        answer = await world.sent(replace(there, url=url), file="trunkpulse.toml")
    assert seen.is_set()
    assert answer is not None
    assert answer.outcome is DeliveryOutcome.TRY_LATER


# --- what changes while one looks ----------------------------------------------------------------


class Rebinding(NameServer):
    """Says the public address once, and this machine's from then on."""

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        if kind == "A":
            asked = sum(" A " in each for each in self.asked)
            address = PUBLIC if asked == 1 else "127.0.0.1"
            response.answer.append(dns.rrset.from_text(name, 0, "IN", "A", address))


async def test_a_rebound_name_cannot_slip_in_between_check_and_connection(tmp_path: Path) -> None:
    async with a_world(tmp_path, Rebinding()) as world:
        await world.told("http://rebound.example:{port}/")
        assert world.dialler.dialled == [PUBLIC]
        assert len([each for each in world.names.asked if " A " in each]) == 1
        assert await world.visitors() == 0


async def test_a_name_that_was_rebound_since_is_refused(tmp_path: Path) -> None:
    async with a_world(tmp_path, Rebinding()) as world:
        await world.told("http://rebound.example:{port}/")
        world.dialler.dialled.clear()
        answer = await world.told("http://rebound.example:{port}/")
        assert answer is not None
        assert "loopback address" in answer.detail
        assert world.dialler.dialled == []
        assert await world.visitors() == 0


# --- by way of somebody who is permitted ---------------------------------------------------------


@pytest.fixture
async def accomplice(world: World) -> AsyncIterator[Receiver]:
    """A web server that events may go to, and that leads on to where they may not."""
    world.allowed += networks("127.0.0.1/32")
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["http://127.0.0.1:{port}/", "//127.0.0.1:{port}/"])
async def test_a_redirect_leads_nowhere(
    world: World, accomplice: Receiver, status: int, place: str
) -> None:
    accomplice.answer = saying(status, location=place.replace("{port}", str(world.trap.port)))
    answer = await world.told(accomplice.url)
    assert answer is not None
    assert answer.outcome is DeliveryOutcome.TRY_LATER
    assert len(accomplice.requests) == 1
    assert await world.visitors() == 0


@pytest.mark.parametrize("header", ["refresh", "alt_svc", "content_location", "link"])
async def test_a_hint_in_a_header_leads_nowhere(
    world: World, accomplice: Receiver, header: str
) -> None:
    place = f"127.0.0.1:{world.trap.port}"
    hints = {
        "refresh": f"0; url=http://{place}/",
        "alt_svc": f'http/1.1="{place}"',
        "content_location": f"http://{place}/",
        "link": f"<http://{place}/>; rel=preload",
    }
    accomplice.answer = saying(200, b"", **{header: hints[header]})
    for _ in range(2):
        await world.told(accomplice.url)
    assert await world.visitors() == 0


async def test_a_proxy_in_the_environment_is_passed_by(
    world: World, accomplice: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{world.trap.port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    answer = await world.told(accomplice.url)
    assert answer is not None
    assert answer.outcome is DeliveryOutcome.ACCEPTED
    assert await world.visitors() == 0


async def test_credentials_in_a_url_are_not_taken_elsewhere(
    world: World, accomplice: Receiver
) -> None:
    url = accomplice.url.replace("//", "//user:hush@")
    await world.told(url)
    token = base64.b64encode(b"user:hush").decode()
    for request in accomplice.requests:
        assert token not in str(request.headers)
        assert "hush@" not in request.line


# --- what is allowed may be taken back -----------------------------------------------------------


async def delivered(
    world: World, url: str, between: Callable[[], object]
) -> tuple[SinkAnswer, SinkAnswer]:
    """Two deliveries of one sink, which keeps its connection, and what happens in between."""
    destination = Destination(type="webhook", url=url)
    stream = EventStream(id="theirs", name="Theirs", destination=destination)
    sink = make_sink(stream, world.outside)
    first = await sink.deliver(a_delivery())
    between()
    second = await sink.deliver(a_delivery())
    await sink.close()
    return first, second


async def test_a_connection_that_is_open_is_used_again(world: World, accomplice: Receiver) -> None:
    answers = await delivered(world, accomplice.url, lambda: None)
    assert {answer.outcome for answer in answers} == {DeliveryOutcome.ACCEPTED}
    assert accomplice.connections == 1


async def test_a_connection_that_is_open_is_not_used_once_its_address_is_not_permitted(
    world: World, accomplice: Receiver
) -> None:
    accomplice.left.clear()
    first, second = await delivered(world, accomplice.url, world.allowed.clear)
    assert first.outcome is DeliveryOutcome.ACCEPTED
    assert second.outcome is DeliveryOutcome.TRY_LATER
    assert "[outbound]" in second.detail
    assert len(accomplice.requests) == 1
    await accomplice.left.wait()
