"""Kamailio's dispatcher lists, read and set over JSON-RPC (xhttp, jsonrpcs) or BINRPC (ctl).

What we take out is *inactive* and not probed (``IX``). Kamailio's own probes leave it so, except
with ``ds_probing_mode`` 1, by which it probes everything. *Disabled* (``DX``) would outlast even
that, but is what people take a destination out by, and there is no mark by which ours could be told
from theirs: it stays theirs, and is left alone (docs/decisions/0021).

``dispatcher.set_state`` changes the first destination of a set that is written that way. If there
are several they are told apart by their ``duid``; one without is out of reach.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

from trunkpulse.adapters.switches.binrpc import (
    Packet,
    PacketFraming,
    Reading,
    Value,
    question,
)
from trunkpulse.adapters.switches.conversation import Conversation, Incomprehensible
from trunkpulse.adapters.switches.json_rpc import HttpJsonRpc
from trunkpulse.adapters.switches.wording import plain, reason_of
from trunkpulse.config.switches import SwitchSettings, SwitchUrl
from trunkpulse.ports import MOST_ENTRIES, Entry, SwitchRefused, SwitchUnreachable

__all__ = ["KamailioSwitch", "switch_of"]

ANSWER_SECONDS: Final = 2.0
"""For one call, connecting included."""
ENTRIES_PER_TURN: Final = 200
"""Read before the event loop does anything else."""
NO_LISTS: Final = "No Destination Sets"
"""What it calls it that its lists are empty."""
UP, DOWN = "a", "i"
_ACTIVE: Final = frozenset("AT")
"""Calls are sent there; to one that is *trying* until it has failed more often."""
_HELD: Final = "D"


class _Rpc(Protocol):
    """Either way to call it; raises SwitchUnreachable or SwitchRefused."""

    async def call(self, method: str, params: Sequence[str | int] = ()) -> Any: ...

    async def close(self) -> None: ...


class _Place(NamedTuple):
    """How ``dispatcher.set_state`` names a destination."""

    method: str
    group: int
    name: str


class KamailioSwitch:
    """The dispatcher lists of one Kamailio."""

    by_address = True

    def __init__(self, settings: SwitchSettings, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._groups = frozenset(settings.groups)
        self._url = settings.url
        self._rpc: _Rpc
        if settings.url.scheme in {"http", "https"}:
            self._rpc = HttpJsonRpc(settings, answer_seconds=answer_seconds)
        elif settings.url.scheme == "udp":
            self._rpc = _DatagramRpc(settings.url, answer_seconds)
        else:
            self._rpc = _StreamRpc(settings.url, answer_seconds)
        self._places: dict[str, _Place] = {}
        """Of the entries that were read last, by key."""

    async def read(self, names: Sequence[str]) -> Sequence[Entry]:
        """All destinations of the sets that are looked after, in Kamailio's order."""
        try:
            answer = await self._rpc.call("dispatcher.list")
        except SwitchRefused as refused:
            if NO_LISTS in str(refused):
                self._places = {}
                return []
            raise
        places: dict[str, _Place] = {}
        entries: list[Entry] = []
        for entry, place in self._entries(answer):
            if len(entries) == MOST_ENTRIES:
                raise SwitchRefused(
                    f"{self._url} has more than {MOST_ENTRIES} destinations; "
                    "name the sets to look after in groups."
                )
            entries.append(entry)
            if len(entries) % ENTRIES_PER_TURN == 0:
                await asyncio.sleep(0)
            if place is not None:
                places[entry.key] = place
        self._places = places
        return entries

    async def write(self, key: str, *, up: bool) -> None:
        """Set the state of one destination that was read."""
        place = self._places.get(key)
        if place is None:
            raise SwitchRefused(
                f'{self._url} has no destination "{plain(key)}" that can be set on its own; '
                "give destinations of a set that are written alike a duid each."
            )
        await self._rpc.call(place.method, [UP if up else DOWN, place.group, place.name])

    async def close(self) -> None:
        """Close the connection; safe to repeat."""
        await self._rpc.close()

    def _entries(self, answer: object) -> Iterator[tuple[Entry, _Place | None]]:
        """Each destination and how to set it; None: there is no way."""
        seen: set[tuple[int, str]] = set()
        keys: set[str] = set()
        for number, destination in self._destinations(answer):
            uri, flags = destination.get("URI"), destination.get("FLAGS")
            if not isinstance(uri, str) or not isinstance(flags, str) or not flags:
                raise self._incomprehensible()
            attributes = _Fields(destination.get("ATTRS") or [])
            duid = attributes.get("DUID")
            key = f"{number} {uri}"
            place: _Place | None = _Place("dispatcher.set_state", number, uri)
            if (number, uri.lower()) in seen:
                unique = isinstance(duid, str) and bool(duid) and not duid.startswith("<null")
                place = _Place("dispatcher.set_duid_state", number, str(duid)) if unique else None
                key = f"{key} duid={duid}" if unique else key
            seen.add((number, uri.lower()))
            if key in keys:
                key = next(k for n in itertools.count(2) if (k := f"{key} #{n}") not in keys)
                place = None
            keys.add(key)
            yield (
                Entry(
                    key=key,
                    uri=uri if place is not None else None,
                    up=flags[0] in _ACTIVE,
                    group=str(number),
                    held=flags[0] == _HELD,
                ),
                place,
            )

    def _destinations(self, answer: object) -> Iterator[tuple[int, _Fields]]:
        """The number of its set, and what is said of each destination."""
        records = _Fields(answer).get("RECORDS")
        if records is None:
            raise self._incomprehensible()
        for of_set in _Fields(records).each("SET"):
            one = _Fields(of_set)
            number = one.get("ID")
            if not isinstance(number, int):
                raise self._incomprehensible()
            if self._groups and number not in self._groups:
                continue
            for destination in _Fields(one.get("TARGETS") or []).each("DEST"):
                yield number, _Fields(destination)

    def _incomprehensible(self) -> SwitchUnreachable:
        return SwitchUnreachable(
            f"{self._url} lists its destinations in a way that is not understood; "
            "check that it is Kamailio 5 or newer."
        )


class _Fields:
    """Named values, as JSON has them (an object, or a list of objects) and as BINRPC (pairs)."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __iter__(self) -> Iterator[tuple[object, object]]:
        parts = self._value if isinstance(self._value, list) else [self._value]
        for part in parts:
            if isinstance(part, dict):
                yield from part.items()
                continue
            for pair in part if isinstance(part, list) else [part]:
                if isinstance(pair, tuple):
                    yield pair

    def each(self, name: str) -> Iterator[object]:
        return (value for key, value in self if key == name)

    def get(self, name: str) -> object:
        return next(self.each(name), None)


async def _values(packet: Packet) -> list[Value]:
    """What it says; the event loop goes on meanwhile. Raises Incomprehensible."""
    reading = Reading(packet)
    for _ in reading:
        await asyncio.sleep(0)
    return reading.values


def _value_of(packet: Packet, values: Sequence[Value], place: str) -> object:
    if packet.fault:
        said = next((each for each in values if isinstance(each, str)), "")
        raise SwitchRefused(f'{place} refused, saying "{plain(said)}"; see its log.')
    return values[0] if values else None


class _StreamRpc:
    """BINRPC over TCP or a Unix socket."""

    def __init__(self, url: SwitchUrl, answer_seconds: float) -> None:
        self._cookies = itertools.count(1)
        self._talk = Conversation[Packet](
            url, "Kamailio", PacketFraming, self._greet, timeout_seconds=answer_seconds
        )

    async def call(self, method: str, params: Sequence[str | int] = ()) -> Any:
        async def ask() -> tuple[Packet, Sequence[Value]]:
            cookie = next(self._cookies) & 0x7FFFFFFF
            await self._talk.say(question(cookie, method, *params))
            packet = await self._talk.hear()
            if packet.cookie != cookie:
                raise Incomprehensible("what nobody asked for")
            return packet, await _values(packet)

        return _value_of(*await self._talk.ask(ask), self._talk.place)

    async def close(self) -> None:
        self._talk.end()

    async def _greet(self) -> None:
        """It lets in whoever can connect."""


class _DatagramRpc:
    """BINRPC over UDP.

    Kamailio spreads a long answer over several datagrams; one that is lost or overtaken spoils it.
    """

    def __init__(self, url: SwitchUrl, answer_seconds: float) -> None:
        self._url = url
        self._place = f"Kamailio at {url}"
        self._seconds = answer_seconds
        self._cookies = itertools.count(1)

    async def call(self, method: str, params: Sequence[str | int] = ()) -> Any:
        cookie = next(self._cookies) & 0x7FFFFFFF
        try:
            async with asyncio.timeout(self._seconds):
                packet = await self._asked(cookie, question(cookie, method, *params))
                values = await _values(packet)
        except TimeoutError:
            raise SwitchUnreachable(
                f"{self._place} did not answer within {self._seconds:g} seconds; "
                "check that it runs, or use tcp if its lists are long."
            ) from None
        except Incomprehensible as trouble:
            raise SwitchUnreachable(
                f"{self._place} answered with {trouble}; check that url leads to the right port."
            ) from None
        except OSError as error:
            raise SwitchUnreachable(
                f"{self._place} cannot be reached ({reason_of(error)}); "
                "check that it runs and that url is right."
            ) from None
        return _value_of(packet, values, self._place)

    async def close(self) -> None:
        """Nothing is kept open between calls."""

    async def _asked(self, cookie: int, data: bytes) -> Packet:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Packet] = loop.create_future()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Ear(cookie, answer), remote_addr=(self._url.host, self._url.port)
        )
        try:
            transport.sendto(data)
            return await answer
        finally:
            transport.abort()


class _Ear(asyncio.DatagramProtocol):
    """Waits for the answer with one cookie."""

    def __init__(self, cookie: int, answer: asyncio.Future[Packet]) -> None:
        self._cookie = cookie
        self._answer = answer
        self._framing = PacketFraming()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self._answer.done():
            return
        try:
            packets = self._framing.feed(data)
        except Incomprehensible as trouble:
            self._answer.set_exception(trouble)
            return
        for packet in packets:
            if packet.cookie == self._cookie:
                self._answer.set_result(packet)
                return

    def error_received(self, exc: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc)


def switch_of(settings: SwitchSettings) -> KamailioSwitch:
    """The switch that ``settings`` describe, not yet connected."""
    return KamailioSwitch(settings)
