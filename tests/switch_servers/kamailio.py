"""A stand-in for Kamailio: dispatcher lists behind JSON-RPC over HTTP, or behind its ctl module.

The real one takes calls in ``interop``; this one has bad manners, which the real one cannot be
taught. What it copies of the real one (5.6): sets in the reverse of the file's order, HTTP 500 with
an error inside it, the words of its faults, the letters of its states, and the records of BINRPC.
"""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from switch_servers.sockets import HOST, TcpStandIn
from trunkpulse.config.switches import SwitchSettings, SwitchType, SwitchUrl


@dataclass
class Destination:
    group: int
    uri: str
    flags: str = "AX"
    duid: str | None = None


class Fault(Exception):
    """It says no."""


class KamailioServer(TcpStandIn):
    """The dispatcher module, whatever way one gets to it."""

    def __init__(self) -> None:
        super().__init__()
        self.destinations: list[Destination] = []
        self.username: str | None = None
        self.password: str | None = None
        self.calls: list[tuple[str, tuple[object, ...]]] = []

    def put(self, uri: str, *, group: int = 1, duid: str | None = None) -> Destination:
        self.destinations.append(Destination(group, uri, duid=duid))
        return self.destinations[-1]

    def flags_of(self, key: str) -> str:
        group, uri = key.split(" ")
        return next(
            each.flags for each in self.destinations if (each.group, each.uri) == (int(group), uri)
        )

    @property
    def settings(self) -> SwitchSettings:
        return SwitchSettings(
            id="edge",
            type=SwitchType.KAMAILIO,
            url=self.url,
            username=self.username,
            password=self.password,
        )

    @property
    @abstractmethod
    def url(self) -> SwitchUrl: ...

    def forget(self) -> None:
        """Its lists are read from the file again."""
        for each in self.destinations:
            each.flags = "AX"

    def done(self, method: str, params: Sequence[object]) -> object:
        """What a call gives back; raises Fault."""
        self.calls.append((method, tuple(params)))
        if method == "dispatcher.list":
            return self._list()
        state, group, name = params
        assert isinstance(state, str)
        assert isinstance(group, int)
        if method == "dispatcher.set_state":
            return self.set_state(state, group, str(name))
        if method == "dispatcher.set_duid_state":
            return self.set_state(state, group, str(name), by_duid=True)
        raise Fault("Method Not Found")

    def set_state(self, state: str, group: int, name: str, *, by_duid: bool = False) -> str:
        for each in self.destinations:
            if each.group == group and (each.duid if by_duid else each.uri) == name:
                probed = state[1:] == "p" and state[0] != "d"
                each.flags = state[0].upper() + ("P" if probed else "X")
                return "Ok. Dispatcher state updated."
        raise Fault("State Update Failed")

    def _list(self) -> dict[str, object]:
        if not self.destinations:
            raise Fault("No Destination Sets")
        numbers = list(dict.fromkeys(each.group for each in self.destinations))
        sets = [
            {
                "SET": {
                    "ID": number,
                    "TARGETS": [
                        {"DEST": described(each)}
                        for each in self.destinations
                        if each.group == number
                    ],
                }
            }
            for number in numbers
        ]
        return {"NRSETS": len(sets), "RECORDS": sets}


def described(each: Destination) -> dict[str, object]:
    found: dict[str, object] = {"URI": each.uri, "FLAGS": each.flags, "PRIORITY": 0}
    if each.duid is not None:
        found["ATTRS"] = {"BODY": f"duid={each.duid}", "DUID": each.duid, "MAXLOAD": 0}
    return found


class KamailioOverHttp(KamailioServer):
    """xhttp and jsonrpcs."""

    asks = "Basic"
    """How it asks for a password, if it has one."""

    @property
    def url(self) -> SwitchUrl:
        return SwitchUrl("http", HOST, self.port, "/RPC")

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            fields = dict(line.split(": ", 1) for line in head.strip().split("\r\n")[1:])
            named = {name.lower(): value for name, value in fields.items()}
            body = await reader.readexactly(int(named.get("content-length", 0)))
            if self.password is not None and not self._is_let_in(named.get("authorization", "")):
                challenge = 'Digest realm="edge", nonce="n1", qop="auth"'
                if self.asks == "Basic":
                    challenge = 'Basic realm="edge"'
                reply = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n"
                await self.say(writer, f"{reply}WWW-Authenticate: {challenge}\r\n\r\n")
                continue
            asked = json.loads(body)
            status = "200 OK"
            try:
                said = {"result": self.done(asked["method"], asked.get("params", []))}
            except Fault as fault:
                status = f"500 {fault}"
                said = {"error": {"code": 500, "message": str(fault)}}
            content = json.dumps({"jsonrpc": "2.0", **said, "id": asked["id"]})
            reply = f"HTTP/1.1 {status}\r\nSia: SIP/2.0/TCP {HOST}:9\r\n"
            reply += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
            await self.say(writer, reply + content)

    def _is_let_in(self, authorization: str) -> bool:
        if self.asks == "Basic":
            proof = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            return authorization == f"Basic {proof}"
        # What a digest has to be is the client library's own business.
        return (
            authorization.startswith("Digest ") and f'username="{self.username}"' in authorization
        )


class KamailioOverCtl(KamailioServer):
    """The ctl module over TCP."""

    @property
    def url(self) -> SwitchUrl:
        return SwitchUrl("tcp", HOST, self.port)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            start, flags = await reader.readexactly(2)
            assert start == 0xA1
            length = int.from_bytes(await reader.readexactly(((flags >> 2) & 3) + 1), "big")
            cookie = await reader.readexactly((flags & 3) + 1)
            method, *params = scanned(await reader.readexactly(length))
            try:
                kind, body = 1, record(self.done(str(method), params))
            except Fault as fault:
                kind, body = 3, record(500) + record(str(fault))
            head = bytes([0xA1, kind << 4 | 3 << 2 | (len(cookie) - 1)])
            await self.say(writer, head + struct.pack(">I", len(body)) + cookie + body)


def scanned(data: bytes) -> list[str | int]:
    """The texts and numbers of a question."""
    values: list[str | int] = []
    at = 0
    while at < len(data):
        mark, at = data[at], at + 1
        size = (mark >> 4) & 7
        if mark & 0x80:
            width, size = size, int.from_bytes(data[at : at + size], "big")
            at += width
        value, at = data[at : at + size], at + size
        assert mark & 0xF in {0, 1}
        values.append(value[:-1].decode() if mark & 0xF else int.from_bytes(value, "big"))
    return values


def record(value: object, kind: int = 1) -> bytes:
    """A value as BINRPC writes it; a list is a struct in which one name stands several times."""
    if isinstance(value, int):
        content = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return bytes([len(content) << 4]) + content
    if isinstance(value, str):
        content = value.encode() + b"\0"
        if len(content) < 8:
            return bytes([len(content) << 4 | kind]) + content
        return bytes([(8 | 2) << 4 | kind]) + struct.pack(">H", len(content)) + content
    pairs = value.items() if isinstance(value, dict) else []
    if isinstance(value, list):
        pairs = [pair for each in value for pair in each.items()]
    inner = b"".join(record(name, 5) + record(each) for name, each in pairs)
    return b"\x03" + inner + b"\x83"
