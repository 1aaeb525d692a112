"""Far sides with habits that SIPp cannot be taught, because they are below SIP or against it.

SIPp sends whole messages from the socket that was asked, with headers as it read them. Here is
what takes another socket, another branch, bytes that are no SIP, or a connection that is cut or
closed at a chosen moment. A *habit* gets one request and does with it as it likes.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from certificates import Issued
from interop.journal import Journal
from trunkpulse.ports import Address
from trunkpulse.sip.headers import NameAddr, Via
from trunkpulse.sip.message import parse_message
from trunkpulse.sip.server import AnswerSettings, answer_request

HOST = "127.0.0.1"
BLANK_LINE = b"\r\n\r\n"

_SETTINGS = AnswerSettings(tag_key=b"an odd far side", server="odd")


def good_answer(request: bytes, source: Address) -> bytes:
    """The 200 that any far side would give."""
    answer = answer_request(request, source[0], source[1], settings=_SETTINGS)
    assert answer is not None, request
    return answer.data


@dataclass(frozen=True)
class FarSide:
    uri: str
    requests: Journal[bytes]
    """Everything it was asked, retransmissions included, whatever it made of it."""
    pings: Journal[bytes]
    """The keepalives between messages of a stream (RFC 5626)."""


# --- over UDP -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class AskedByDatagram:
    request: bytes
    source: Address
    asked: asyncio.DatagramTransport
    """The socket that was asked."""
    other: asyncio.DatagramTransport
    """One on another port."""

    @property
    def answer(self) -> bytes:
        return good_answer(self.request, self.source)

    def say(self, data: bytes) -> None:
        self.asked.sendto(data, self.source)


DatagramHabit = Callable[[AskedByDatagram], None]


def answers_well(asked: AskedByDatagram) -> None:
    asked.say(asked.answer)


def blocks_who_calls_itself(asked: AskedByDatagram) -> None:
    """Takes a From that equals To for a loop or an attack, as some switches do."""
    headers = parse_message(asked.request).headers
    sender, recipient = (NameAddr.parse(headers.single(name)).uri for name in ("From", "To"))
    if sender != recipient:
        asked.say(asked.answer)


def answers_from_another_port(asked: AskedByDatagram) -> None:
    asked.other.sendto(asked.answer, asked.source)


def answers_after_garbage(asked: AskedByDatagram) -> None:
    for garbage in (b"", b"\x00", b"\xff" * 1400, b"SIP/2.0 200 OK\r\n\r\n", b"SIP/2.0 200"):
        asked.say(garbage)
    asked.say(asked.answer)


def answers_with_the_branch_in_capitals(asked: AskedByDatagram) -> None:
    before, _, rest = asked.answer.partition(b"branch=")
    branch, semicolon, after = rest.partition(b";")
    asked.say(before + b"branch=" + branch.upper() + semicolon + after)


def answers_with_another_branch(asked: AskedByDatagram) -> None:
    asked.say(asked.answer.replace(b"branch=z9hG4bK", b"branch=z9hG4bKother", 1))


def answers_garbage(asked: AskedByDatagram) -> None:
    asked.say(b"\x80\x00\x00\x01 this is RTP at best")


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, Address], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._received(data, addr)


@asynccontextmanager
async def odd_over_udp(
    habit: DatagramHabit, at: socket.socket | None = None
) -> AsyncIterator[FarSide]:
    """A far side with this habit; ``at``: the socket that is asked, if not one on loopback."""
    loop = asyncio.get_running_loop()
    requests: Journal[bytes] = Journal("OPTIONS heard")

    def received(data: bytes, source: Address) -> None:
        requests.add(data)
        habit(AskedByDatagram(data, source, asked, other))

    other, _ = await loop.create_datagram_endpoint(
        lambda: _Datagrams(lambda _data, _source: None), local_addr=(HOST, 0)
    )
    asked, _ = await loop.create_datagram_endpoint(
        lambda: _Datagrams(received), local_addr=None if at else (HOST, 0), sock=at
    )
    try:
        host, port = asked.get_extra_info("sockname")
        yield FarSide(f"sip:{host}:{port}", requests, Journal("no pings over UDP"))
    finally:
        asked.close()
        other.close()


# --- over TCP and TLS -----------------------------------------------------------------------------


@dataclass(frozen=True)
class AskedOnConnection:
    request: bytes
    number: int
    """Counts the requests of this connection, from 1."""
    writer: asyncio.StreamWriter

    @property
    def answer(self) -> bytes:
        return good_answer(self.request, self.writer.get_extra_info("peername"))

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def hang_up(self) -> None:
        self.writer.close()

    def cut(self) -> None:
        """Reset it: nothing that is still on its way arrives."""
        end_at_once = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, end_at_once
        )
        self.writer.transport.abort()


StreamHabit = Callable[[AskedOnConnection], Awaitable[None]]


async def answers(asked: AskedOnConnection) -> None:
    await asked.say(asked.answer)


async def answers_in_single_bytes(asked: AskedOnConnection) -> None:
    for byte in asked.answer:
        await asked.say(bytes((byte,)))


async def answers_twice_at_once(asked: AskedOnConnection) -> None:
    await asked.say(asked.answer * 2)


async def answers_and_hangs_up(asked: AskedOnConnection) -> None:
    await asked.say(asked.answer)
    asked.hang_up()


async def hangs_up_when_asked_again(asked: AskedOnConnection) -> None:
    """An idle time-out that runs out just as the next OPTIONS arrives."""
    if asked.number == 1:
        await asked.say(asked.answer)
    else:
        asked.hang_up()


async def answers_on_a_connection_of_its_own(asked: AskedOnConnection) -> None:
    """To where the Via says that we listen, as RFC 3261 18.2.2 has it for a lost connection."""
    via = Via.parse(parse_message(asked.request).headers.members("Via")[0])
    _, writer = await asyncio.open_connection(via.host, via.port)
    writer.write(asked.answer)
    writer.close()
    await writer.wait_closed()


async def answers_and_pings(asked: AskedOnConnection) -> None:
    await asked.say(asked.answer + BLANK_LINE)


async def answers_after_empty_lines(asked: AskedOnConnection) -> None:
    """RFC 3261 7.5: lines ahead of a start line are nothing."""
    await asked.say(b"\r\n" * 3 + asked.answer)


async def hangs_up_without_an_answer(asked: AskedOnConnection) -> None:
    asked.hang_up()


async def cuts_the_connection(asked: AskedOnConnection) -> None:
    asked.cut()


async def speaks_http(asked: AskedOnConnection) -> None:
    await asked.say(b"HTTP/1.0 400 Bad Request\r\nServer: a web server\r\n\r\n")


async def leaves_out_content_length(asked: AskedOnConnection) -> None:
    await asked.say(asked.answer.replace(b"Content-Length: 0\r\n", b""))


async def says_nothing(asked: AskedOnConnection) -> None:
    """It takes what comes, and that is all."""


@asynccontextmanager
async def odd_over_streams(
    habit: StreamHabit, certificate: Issued | None = None
) -> AsyncIterator[FarSide]:
    """A far side with this habit over TCP, or with a certificate over TLS."""
    requests: Journal[bytes] = Journal("OPTIONS heard")
    pings: Journal[bytes] = Journal("keepalives heard")
    connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections[task] = writer
        number = 0
        try:
            while True:
                heard = await reader.readuntil(BLANK_LINE)
                request = heard.lstrip(b"\r\n")
                if len(request) < len(heard):
                    pings.add(heard[: len(heard) - len(request)])
                if request:
                    number += 1
                    requests.add(request)
                    await habit(AskedOnConnection(request, number, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    secured = None if certificate is None else _context(certificate)
    server = await asyncio.start_server(serve, HOST, 0, ssl=secured)
    try:
        port = server.sockets[0].getsockname()[1]
        transport = "tcp" if certificate is None else "tls"
        yield FarSide(f"sip:{HOST}:{port};transport={transport}", requests, pings)
    finally:
        server.close()
        for writer in connections.values():
            writer.transport.abort()
        await asyncio.gather(*connections)


def _context(certificate: Issued) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(certificate.cert_file), Path(certificate.key_file))
    return context
