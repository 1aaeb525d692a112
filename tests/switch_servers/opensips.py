"""A stand-in for OpenSIPS: its management interface with the dispatcher behind it.

Written from modules/mi_http, modules/mi_datagram and modules/dispatcher of its source, because
OpenSIPS itself cannot be had here. What it copies of their ways: JSON-RPC 2.0 over POST and over
UDP, HTTP 200 with an error inside it, 405 for anything but POST, parameters that have to be texts,
partitions in what it lists, a partition without destinations that has no word of sets, fields
nobody asked for, the first destination of several that are written alike being the one that is set,
letters large or small, and the names of the commands of OpenSIPS 4.

A restart gives every destination the state in its table, which is all that is kept of it.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from switch_servers.sockets import GARBAGE, HOST, Manner, TcpStandIn
from trunkpulse.config.switches import SwitchSettings, SwitchType, SwitchUrl

OLD_NAMES = ("ds_list", "ds_set_state")
NEW_NAMES = ("dispatcher:list", "dispatcher:set_state")
UNCHANGED = object()
STATES = {"a": "Active", "1": "Active", "p": "Probing", "2": "Probing", "i": "Inactive"}


@dataclass
class Destination:
    partition: str
    group: int
    uri: str
    state: str = "Active"
    in_table: str = "Active"
    """The state that it has again after a restart."""


class _Fault(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Dispatcher:
    """What the management interface does, whatever carries it."""

    def __init__(self) -> None:
        self.destinations: list[Destination] = []
        self.names = OLD_NAMES
        self.loaded = True
        """False: the dispatcher module is not there."""
        self.trouble: str | None = None
        """What it complains of instead of doing anything."""
        self.listed: object = UNCHANGED
        """What it lists instead of its destinations."""
        self.calls: list[dict[str, Any]] = []
        """All that it was asked."""

    def put(self, uri: str, *, group: int = 1, partition: str = "default") -> Destination:
        self.destinations.append(Destination(partition, group, uri))
        return self.destinations[-1]

    def state_of(self, uri: str, group: int = 1) -> str:
        return next(
            each.state for each in self.destinations if (each.uri, each.group) == (uri, group)
        )

    def forget(self) -> None:
        for destination in self.destinations:
            destination.state = destination.in_table

    def answer(self, data: bytes) -> bytes:
        asked = json.loads(data)
        self.calls.append(asked)
        told: dict[str, Any]
        try:
            told = {"result": self._done(asked["method"], asked.get("params", {}))}
        except _Fault as fault:
            told = {"error": {"code": fault.code, "message": str(fault)}}
        return json.dumps({"jsonrpc": "2.0", **told, "id": asked["id"]}).encode()

    def _done(self, method: str, params: dict[str, object]) -> object:
        if self.trouble is not None:
            raise _Fault(-32000, self.trouble)
        if not self.loaded or method not in self.names:
            raise _Fault(-32601, "Method not found")
        if method == self.names[0]:
            return self._list() if self.listed is UNCHANGED else self.listed
        texts = [params.get(name) for name in ("state", "group", "address")]
        state, group, address = (text if isinstance(text, str) else "" for text in texts)
        if not (state and group and address):
            raise _Fault(-32602, "Invalid params")
        partition, _, number = group.rpartition(":")
        for each in self.destinations:
            if (each.partition, str(each.group)) == (partition or "default", number) and (
                each.uri.lower() == address.lower()
            ):
                each.state = STATES[state.lower()]
                return "OK"
        raise _Fault(404, "destination not found")

    def _list(self) -> object:
        partitions: dict[str, dict[int, list[Destination]]] = {"default": {}}
        for each in self.destinations:
            partitions.setdefault(each.partition, {}).setdefault(each.group, []).append(each)
        listed = []
        for name, groups in partitions.items():
            sets = [
                {"id": number, "Destinations": [_described(each) for each in held]}
                for number, held in groups.items()
            ]
            listed.append({"name": name} | ({"SETS": sets} if sets else {}))
        return {"PARTITIONS": listed}


def _described(destination: Destination) -> dict[str, object]:
    return {
        "URI": destination.uri,
        "state": destination.state,
        "first_hit_counter": 7,
        "attr": "weight=50",
    }


class OpenSipsServer(TcpStandIn):
    """The dispatcher by way of mi_http."""

    def __init__(self) -> None:
        super().__init__()
        self.dispatcher = Dispatcher()

    @property
    def settings(self) -> SwitchSettings:
        url = SwitchUrl("http", HOST, self.port, "/mi")
        return SwitchSettings(id="proxy", type=SwitchType.OPENSIPS, url=url)

    def forget(self) -> None:
        self.dispatcher.forget()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            fields = dict(line.split(": ", 1) for line in head.strip().split("\r\n")[1:])
            named = {name.lower(): value for name, value in fields.items()}
            body = await reader.readexactly(int(named.get("content-length", 0)))
            method, path, _ = head.split(" ", 2)
            if path != "/mi":
                status, content = "404 Not Found", b"unable to find URL\n"
            elif method != "POST":
                status, content = "405 Method Not Allowed", b""
            else:
                status, content = "200 OK", self.dispatcher.answer(body)
            reply = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
            reply += f"Content-Length: {len(content)}\r\n\r\n{content.decode()}"
            await self.say(writer, reply)


class OpenSipsDatagramServer(asyncio.DatagramProtocol):
    """The dispatcher by way of mi_datagram."""

    def __init__(self) -> None:
        self.dispatcher = Dispatcher()
        self.manner = Manner.PROPER
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def settings(self) -> SwitchSettings:
        url = SwitchUrl("udp", HOST, self.port)
        return SwitchSettings(id="proxy", type=SwitchType.OPENSIPS, url=url)

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(HOST, self.port)
        )
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    async def stop(self) -> None:
        assert self._transport is not None
        self._transport.abort()
        await asyncio.sleep(0)  # until the port is free

    async def restart(self) -> None:
        await self.stop()
        self.dispatcher.forget()
        await self.start()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        answer = self.dispatcher.answer(data)
        if self.manner is Manner.GARBLED:
            answer = GARBAGE
        elif self.manner is Manner.CUT_SHORT:
            answer = answer[: len(answer) // 2]
        if self.manner not in {Manner.SILENT, Manner.ABSENT_MINDED}:
            self._transport.sendto(answer, addr)
