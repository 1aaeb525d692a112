"""Far sides for ``trunkpulse probe``: each answers as its script says, over UDP or a stream."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.network.udp import UdpTransport
from trunkpulse.model import FailureKind
from trunkpulse.ports import Address
from trunkpulse.sip.grammar import host_and_port
from trunkpulse.sip.message import Request, parse_message
from trunkpulse.sip.server import AnswerSettings, answer_request

Script = Callable[[int, bytes, Address], Sequence[bytes]]
"""Number of the request (from 1), the request and its source to what is sent back."""


def answer_to(data: bytes, source: Address, code: int = 200) -> bytes:
    """An answer as RFC 3261 has it."""
    settings = AnswerSettings(tag_key=b"k", code=code, server="carrier/1")
    answer = answer_request(data, source[0], source[1], settings=settings)
    assert answer is not None
    return answer.data


def faithful(number: int, data: bytes, source: Address) -> Sequence[bytes]:
    return [answer_to(data, source)]


class UdpPeer:
    """Listens on a loopback port of this loop until it is closed."""

    def __init__(self, script: Script = faithful, host: str = "127.0.0.1") -> None:
        self.requests: list[Request] = []
        self.elsewhere: UdpTransport | None = None
        """Where answers leave from instead."""
        self._script = script
        self._transport = UdpTransport.open((host, 0), self, SystemClock())

    @property
    def address(self) -> Address:
        return self._transport.local_address

    @property
    def uri(self) -> str:
        return f"sip:{host_and_port(*self.address[:2])}"

    def message_received(self, data: bytes, source: Address, now: float) -> None:
        request = parse_message(data)
        assert isinstance(request, Request)
        self.requests.append(request)
        for answer in self._script(len(self.requests), data, source):
            (self.elsewhere or self._transport).send(answer, source)

    def answer_from_another_port(self) -> None:
        self.elsewhere = UdpTransport.open(("127.0.0.1", 0), self, SystemClock())

    def message_left(self, data: bytes, now: float) -> None:
        """Datagrams never wait for a connection."""

    def send_failed(
        self, data: bytes, destination: Address, kind: FailureKind, detail: str, now: float
    ) -> None:
        """The probe may be gone before its answer comes."""

    def batch_finished(self) -> None:
        """There is nothing to do then."""

    def close(self) -> None:
        self._transport.close()
        if self.elsewhere is not None:
            self.elsewhere.close()


@asynccontextmanager
async def stream_peer(
    script: Script = faithful,
    *,
    tls: ssl.SSLContext | None = None,
    answers_per_connection: int | None = None,
) -> AsyncIterator[int]:
    """A server of TCP or TLS on loopback; gives its port."""
    requests = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        source = writer.get_extra_info("peername")
        answers = 0
        try:
            while answers_per_connection is None or answers < answers_per_connection:
                data = await reader.readuntil(b"\r\n\r\n")
                if not data.strip():
                    continue
                requests += 1
                answers += 1
                for answer in script(requests, data, source):
                    writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
