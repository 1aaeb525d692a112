"""HTTP through the guarded way out, against real servers on loopback."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpcore2
import httpx2
import pytest

from certificates import Authority, Issued
from http_receiver import Receiver, gibberish, hang_up, silence
from interop.peers.ports import free_port
from outbound_world import Dialler, networks, way_out
from trunkpulse.adapters.outbound import Forbidden, HostUnknown, Outside
from trunkpulse.adapters.outbound.http import MOST_TRIED
from unit.network.name_server import NameServer, serving

PUBLIC = "93.184.215.14"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest.fixture
def dialler() -> Dialler:
    return Dialler()


def post(url: str) -> httpx2.Request:
    return httpx2.Request("POST", url, content=b"{}")


async def status_of(transport: httpx2.AsyncBaseTransport, url: str) -> int:
    async with transport:
        response = await transport.handle_async_request(post(url))
        await response.aread()
        await response.aclose()
        return response.status_code


# --- names and certificates ----------------------------------------------------------------------


@asynccontextmanager
async def a_tls_server(issued: Issued) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(issued.cert_file, issued.key_file)
    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("host", ["hook.example", "hook.example.", "127.0.0.1"])
async def test_the_certificate_has_to_be_for_the_host_though_its_address_is_dialled(
    tmp_path: Path, dialler: Dialler, host: str
) -> None:
    authority = Authority(tmp_path)
    trust = ssl.create_default_context(cafile=authority.ca_file)
    outside = way_out(tmp_path, dialler, hosts="127.0.0.1 hook.example\n", tls=trust)
    async with a_tls_server(authority.issue("hook.example", "127.0.0.1")) as port:
        transport = outside.transport(trusted=True)
        assert await status_of(transport, f"https://{host}:{port}/") == 204
    assert dialler.dialled == ["127.0.0.1"]


async def test_a_certificate_for_another_host_is_refused(tmp_path: Path, dialler: Dialler) -> None:
    authority = Authority(tmp_path)
    trust = ssl.create_default_context(cafile=authority.ca_file)
    outside = way_out(tmp_path, dialler, hosts="127.0.0.1 hook.example\n", tls=trust)
    async with a_tls_server(authority.issue("other.example", "127.0.0.1")) as port:
        with pytest.raises(httpx2.ConnectError, match="certificate"):
            await status_of(outside.transport(trusted=True), f"https://hook.example:{port}/")


async def test_a_certificate_of_an_unknown_authority_is_refused(
    tmp_path: Path, dialler: Dialler
) -> None:
    outside = way_out(tmp_path, dialler)
    async with a_tls_server(Authority(tmp_path).issue("127.0.0.1")) as port:
        with pytest.raises(httpx2.ConnectError, match="certificate"):
            await status_of(outside.transport(trusted=True), f"https://127.0.0.1:{port}/")


# --- several addresses ---------------------------------------------------------------------------


async def test_the_next_address_is_tried_when_one_takes_no_connection(
    tmp_path: Path, dialler: Dialler, receiver: Receiver
) -> None:
    names = NameServer({"hook.example.": [f"A {PUBLIC}", "A 127.0.0.1"]})
    async with serving(names) as port:
        outside = way_out(tmp_path, dialler, name_server_port=port)
        url = f"http://hook.example:{receiver.port}/"
        assert await status_of(outside.transport(trusted=True), url) == 200
    assert dialler.dialled == [PUBLIC, "127.0.0.1"]


async def test_few_of_many_addresses_are_dialled_and_all_are_checked(
    tmp_path: Path, dialler: Dialler
) -> None:
    public = [f"A 93.184.215.{number}" for number in range(1, 21)]
    names = NameServer({"many.example.": public, "bad.example.": [*public, "A 10.0.0.1"]})
    async with serving(names) as port:
        outside = way_out(tmp_path, dialler, name_server_port=port)
        with pytest.raises(httpx2.ConnectError, match="no outside"):
            await status_of(outside.transport(trusted=False), "http://many.example/")
        assert len(dialler.dialled) == MOST_TRIED
        dialler.dialled.clear()
        with pytest.raises(httpx2.ConnectError, match="private"):
            await status_of(outside.transport(trusted=False), "http://bad.example/")
        assert dialler.dialled == []


async def test_a_forbidden_address_is_the_cause_of_the_failure(
    tmp_path: Path, dialler: Dialler
) -> None:
    with pytest.raises(httpx2.ConnectError) as caught:
        await status_of(way_out(tmp_path, dialler).transport(trusted=False), "http://10.0.0.1/")
    assert isinstance(caught.value.__cause__, Forbidden)
    assert str(caught.value) == str(caught.value.__cause__)


# --- what goes wrong -----------------------------------------------------------------------------


class Endless(Dialler):
    """Never gets a connection."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        self.dialled.append(host)
        await asyncio.Event().wait()
        raise AssertionError("nobody sets the event")


async def test_a_connection_that_is_never_made_is_given_up(tmp_path: Path) -> None:
    endless = Endless()
    transport = way_out(tmp_path, endless).transport(trusted=True, connect_seconds=0.05)
    with pytest.raises(httpx2.ConnectTimeout):
        await status_of(transport, "http://127.0.0.1:9/")
    assert endless.dialled == ["127.0.0.1"]


async def test_a_request_may_ask_for_less_time(tmp_path: Path) -> None:
    transport = way_out(tmp_path, Endless()).transport(trusted=True, connect_seconds=3600)
    request = httpx2.Request(
        "POST", "http://127.0.0.1:9/", extensions={"timeout": {"connect": 0.05}}
    )
    with pytest.raises(httpx2.ConnectTimeout):
        await transport.handle_async_request(request)
    await transport.aclose()


async def test_a_name_server_that_is_silent_is_given_up(tmp_path: Path, dialler: Dialler) -> None:
    async with serving(NameServer(silent_about=("A", "AAAA"))) as port:
        outside = way_out(tmp_path, dialler, name_server_port=port)
        with pytest.raises(httpx2.ConnectTimeout):
            await status_of(
                outside.transport(trusted=False, connect_seconds=0.05), "http://hook.example/"
            )
    assert dialler.dialled == []


async def test_a_refused_connection_keeps_the_systems_words(
    tmp_path: Path, dialler: Dialler
) -> None:
    url = f"http://127.0.0.1:{free_port('127.0.0.1')}/hook"
    with pytest.raises(httpx2.ConnectError) as caught:
        await status_of(way_out(tmp_path, dialler).transport(trusted=True), url)
    causes: list[BaseException] = [caught.value]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    assert any(isinstance(each, ConnectionRefusedError) for each in causes)


@pytest.mark.parametrize("rude", [hang_up, gibberish])
async def test_what_is_no_http_is_told_as_such(
    tmp_path: Path, dialler: Dialler, receiver: Receiver, rude: Any
) -> None:
    receiver.answer = rude
    with pytest.raises(httpx2.RemoteProtocolError):
        await status_of(way_out(tmp_path, dialler).transport(trusted=True), receiver.url)


async def test_a_body_that_breaks_off_is_told_as_such(
    tmp_path: Path, dialler: Dialler, receiver: Receiver
) -> None:
    async def broken(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")
        writer.close()

    receiver.answer = broken
    with pytest.raises(httpx2.RemoteProtocolError):
        await status_of(way_out(tmp_path, dialler).transport(trusted=True), receiver.url)


async def test_a_cancelled_request_lets_go_of_its_connection(
    tmp_path: Path, dialler: Dialler, receiver: Receiver
) -> None:
    receiver.answer = silence
    transport = way_out(tmp_path, dialler).transport(trusted=True, connections=1)
    task = asyncio.create_task(transport.handle_async_request(post(receiver.url)))
    await receiver.came.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await receiver.left.wait()
    await transport.aclose()
    await transport.aclose()


# --- for those that are no HTTP ------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path: Path, dialler: Dialler) -> Outside:
    return way_out(tmp_path, dialler, hosts="127.0.0.1 broker\n::1 broker\n")


async def test_a_broker_is_given_addresses_to_dial(outside: Outside) -> None:
    assert await outside.addresses("broker", 5672, trusted=True) == [
        ("127.0.0.1", 5672),
        ("::1", 5672, 0, 0),
    ]
    assert await outside.addresses("[::1]", 5672, trusted=True) == [("::1", 5672, 0, 0)]
    assert await outside.addresses(PUBLIC, 5672, trusted=False) == [(PUBLIC, 5672)]


@pytest.mark.parametrize("host", ["broker", "127.0.0.1", "[::1]", "localhost", "0x7f.1"])
async def test_a_broker_of_the_api_is_not_led_inside(outside: Outside, host: str) -> None:
    with pytest.raises(Forbidden) as caught:
        await outside.addresses(host, 5672, trusted=False)
    assert str(caught.value).endswith(".")
    assert isinstance(caught.value, OSError)


async def test_a_name_that_leads_nowhere_is_told_in_a_phrase(outside: Outside) -> None:
    with pytest.raises(HostUnknown, match="cannot be reached"):
        await outside.addresses("nowhere.example", 5672, trusted=True)


async def test_what_is_allowed_is_read_anew_each_time(tmp_path: Path, dialler: Dialler) -> None:
    allowed = list(networks("10.0.0.0/8"))
    outside = way_out(tmp_path, dialler, allow=lambda: allowed)
    assert await outside.addresses("10.0.0.1", 5672, trusted=False) == [("10.0.0.1", 5672)]
    allowed.clear()
    with pytest.raises(Forbidden):
        await outside.addresses("10.0.0.1", 5672, trusted=False)
