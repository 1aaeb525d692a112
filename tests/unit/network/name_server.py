"""A name server of the tests' own: real messages over real sockets, from records in a table."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

__all__ = ["NameServer", "serving"]


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """Answers over UDP and TCP from ``records``: NXDOMAIN for a name that has none."""

    records: dict[str, list[str]] = field(default_factory=dict)
    """Fully qualified name -> records such as ``"A 192.0.2.1"`` or ``"CNAME other."``; a TTL other
    than 60 seconds stands in front, as in ``"30 A 192.0.2.1"``."""
    rcode: dns.rcode.Rcode | None = None
    """Answer everything with this."""
    truncates: bool = False
    """Over UDP only the question comes back."""
    silent_about: tuple[str, ...] = ()
    """Record types that nobody hears about, or questions such as ``"A sbc.example.com."``."""
    faults: dict[str, dns.rcode.Rcode] = field(default_factory=dict)
    """Record types, or questions as above, that are answered with an error."""
    asked: list[str] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    transport: asyncio.DatagramTransport | None = None

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if (answer := self.answer(data, "udp")) is not None and self.transport is not None:
            self.transport.sendto(answer, addr)

    async def stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        answer = self.answer(await reader.readexactly(length), "tcp")
        assert answer is not None
        writer.write(len(answer).to_bytes(2, "big") + answer)
        await reader.read()  # until the client has had enough
        writer.close()
        await writer.wait_closed()

    def answer(self, data: bytes, over: str) -> bytes | None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        kind = question.rdtype.name
        self.asked.append(f"{question.name} {kind} {over}")
        self.heard.set()
        names = {kind, f"{kind} {question.name}"}
        if names & set(self.silent_about):
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if self.rcode is not None:
            response.set_rcode(self.rcode)
        elif faults := names & self.faults.keys():
            response.set_rcode(self.faults[faults.pop()])
        elif self.truncates and over == "udp":
            response.flags |= dns.flags.TC
        else:
            self._fill(response, str(question.name), kind)
        return response.to_wire()

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        while name in self.records:
            alias = ""
            for record in self.records[name]:
                ttl, of, value = _split(record)
                if of in {kind, "CNAME"}:
                    # A set of one each: dnspython shuffles the records of a set.
                    response.answer.append(dns.rrset.from_text(name, ttl, "IN", of, value))
                alias = value if of == "CNAME" else alias
            if not alias:
                return
            name = alias
        response.set_rcode(dns.rcode.NXDOMAIN)


def _split(record: str) -> tuple[int, str, str]:
    """TTL, type and the rest."""
    first, _, rest = record.partition(" ")
    ttl, record = (int(first), rest) if first.isdigit() else (60, record)
    of, _, value = record.partition(" ")
    return ttl, of, value


@asynccontextmanager
async def serving(server: NameServer, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """``server`` on one port of UDP and TCP."""
    loop = asyncio.get_running_loop()
    while True:
        streams = await asyncio.start_server(server.stream, host, 0)
        port: int = streams.sockets[0].getsockname()[1]
        try:
            server.transport, _ = await loop.create_datagram_endpoint(
                lambda: server, local_addr=(host, port)
            )
            break
        except OSError as error:
            streams.close()
            if error.errno != errno.EADDRINUSE:
                raise  # else: free over TCP, and somebody has it over UDP
    try:
        yield port
    finally:
        server.transport.close()
        streams.close()
        await streams.wait_closed()
