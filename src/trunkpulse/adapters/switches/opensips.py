"""OpenSIPS's dispatcher sets, over its management interface: HTTP (mi_http) or UDP (mi_datagram).

What we take out is *inactive*: OpenSIPS never probes such a destination, so nothing but this
interface brings it back. *Probing* would be taken back by OpenSIPS's own pings as soon as one is
answered. People take a destination out by *inactive* too, and there is no mark by which ours could
be told from theirs, so none is ever held for them.

The protocol: JSON-RPC 2.0, https://www.opensips.org/Documentation/Interface-MI-3-4, and the
commands ``ds_list`` and ``ds_set_state`` of https://opensips.org/docs/modules/3.5.x/dispatcher.html
and of ``modules/dispatcher/dispatcher.c`` in its source. OpenSIPS 4 names them ``dispatcher:list``
and ``dispatcher:set_state``; which of the two it is, is found by asking. A set belongs to a
partition, and ``ds_set_state`` wants the state of ``PARTITION:SET`` as a text. It changes the first
destination of a set that is written that way, letters large or small.

mi_http has no users of its own, and mi_datagram none at all: who can connect may do everything. Let
both listen on loopback.

Held against a server of the tests' own, written from these, not against OpenSIPS itself.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from trunkpulse.adapters.switches.json_rpc import (
    ANSWER_SECONDS,
    CallRefused,
    HttpJsonRpc,
    result_of,
)
from trunkpulse.adapters.switches.wording import reason_of
from trunkpulse.config.switches import SwitchSettings, SwitchUrl
from trunkpulse.ports import MOST_ENTRIES, Entry, SwitchRefused, SwitchUnreachable

__all__ = ["OpenSips", "switch_of"]

UP, DOWN = "a", "i"
DEFAULT_PARTITION: Final = "default"
_UP_STATES: Final = {"active": True, "probing": False, "inactive": False}
_NO_SUCH_METHOD: Final = -32601
"""JSON-RPC 2.0, 5.1."""
_ID_BITS: Final = 0x7FFFFFFF


class _Names(NamedTuple):
    """How the commands are called."""

    list: str
    set_state: str


_NAMES: Final = (
    _Names("ds_list", "ds_set_state"),
    _Names("dispatcher:list", "dispatcher:set_state"),
)


class _Rpc(Protocol):
    """Either way to call it; raises SwitchUnreachable or SwitchRefused."""

    async def call(self, method: str, params: Mapping[str, object] = ...) -> Any: ...

    async def close(self) -> None: ...


class _Place(NamedTuple):
    """How ``ds_set_state`` names a destination."""

    group: str
    address: str


def switch_of(settings: SwitchSettings) -> OpenSips:
    """The switch that ``settings`` describe, not yet connected."""
    return OpenSips(settings)


class OpenSips:
    """The dispatcher sets of one OpenSIPS, of all its partitions."""

    by_address = True

    def __init__(self, settings: SwitchSettings, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._place = f"OpenSIPS at {settings.url}"
        self._groups = frozenset(settings.groups)
        self._rpc: _Rpc
        if settings.url.scheme == "udp":
            self._rpc = _DatagramRpc(settings.url, answer_seconds)
        else:
            self._rpc = HttpJsonRpc(settings, answer_seconds=answer_seconds)
        self._names = _NAMES[0]
        self._places: dict[str, _Place] = {}
        """Of the entries that were read last, by key."""

    async def read(self, names: Sequence[str]) -> Sequence[Entry]:
        """All destinations of the sets that are looked after, in OpenSIPS's order."""
        answer = await self._list()
        places: dict[str, _Place] = {}
        entries: list[Entry] = []
        for place, state in self._destinations(answer):
            key = f"{place.group} {place.address}"
            # Of destinations that are written alike only the first is ever set, and heard of.
            if key.lower() in places:
                continue
            if len(entries) == MOST_ENTRIES:
                raise SwitchRefused(
                    f"{self._place} has more than {MOST_ENTRIES} destinations; "
                    "name the sets to look after in groups."
                )
            places[key.lower()] = place
            entries.append(
                Entry(key, place.address, _UP_STATES.get(state.lower()), group=place.group)
            )
        self._places = places
        return entries

    async def write(self, key: str, *, up: bool) -> None:
        """Set the state of one destination that was read."""
        place = self._places.get(key.lower())
        if place is None:
            raise SwitchRefused(
                f"{self._place} has listed no destination {json.dumps(key[:200])}; "
                "check that it is still in its dispatcher table."
            )
        await self._rpc.call(
            self._names.set_state,
            {"state": UP if up else DOWN, "group": place.group, "address": place.address},
        )

    async def close(self) -> None:
        """Close the connection; safe to repeat."""
        await self._rpc.close()

    async def _list(self) -> object:
        try:
            return await self._rpc.call(self._names.list)
        except CallRefused as refused:
            if refused.code != _NO_SUCH_METHOD:
                raise
        # It was exchanged for one of another version, or this is the first question.
        other = next(names for names in _NAMES if names != self._names)
        try:
            answer = await self._rpc.call(other.list)
        except CallRefused as refused:
            if refused.code != _NO_SUCH_METHOD:
                raise
            raise SwitchRefused(
                f"{self._place} knows no {_NAMES[0].list}; load its dispatcher module."
            ) from None
        self._names = other
        return answer

    def _destinations(self, answer: object) -> Iterator[tuple[_Place, str]]:
        for partition in self._listed(answer, "PARTITIONS"):
            name = partition.get("name")
            if not isinstance(name, str):
                raise self._incomprehensible()
            for one_set in self._listed(partition, "SETS", may_be_missing=True):
                number = one_set.get("id")
                if not isinstance(number, int):
                    raise self._incomprehensible()
                if self._groups and number not in self._groups:
                    continue
                group = str(number) if name == DEFAULT_PARTITION else f"{name}:{number}"
                for destination in self._listed(one_set, "Destinations"):
                    address, state = destination.get("URI"), destination.get("state")
                    if not isinstance(address, str) or not isinstance(state, str):
                        raise self._incomprehensible()
                    yield _Place(group, address), state

    def _listed(
        self, holder: object, key: str, *, may_be_missing: bool = False
    ) -> Iterator[dict[str, Any]]:
        """The objects in the list that ``holder`` has under ``key``."""
        values = holder.get(key) if isinstance(holder, dict) else None
        if values is None and may_be_missing and isinstance(holder, dict):
            return  # a partition without destinations has no word of sets
        if not isinstance(values, list):
            raise self._incomprehensible()
        for value in values:
            if not isinstance(value, dict):
                raise self._incomprehensible()
            yield value

    def _incomprehensible(self) -> SwitchUnreachable:
        return SwitchUnreachable(
            f"{self._place} lists its destinations in a way that is not understood; "
            "check that it is OpenSIPS 3 or newer."
        )


class _DatagramRpc:
    """JSON-RPC in UDP datagrams: an answer has to fit into one, so its sets have to be short."""

    def __init__(self, url: SwitchUrl, answer_seconds: float) -> None:
        self._url = url
        self._place = f"OpenSIPS at {url}"
        self._seconds = answer_seconds
        self._ids = itertools.count(1)

    async def call(self, method: str, params: Mapping[str, object] | None = None) -> Any:
        number = next(self._ids) & _ID_BITS
        asked = {"jsonrpc": "2.0", "id": number, "method": method}
        try:
            async with asyncio.timeout(self._seconds):
                content = await self._asked(
                    json.dumps(asked | ({"params": params} if params else {})).encode()
                )
        except TimeoutError:
            raise SwitchUnreachable(
                f"{self._place} did not answer within {self._seconds:g} seconds; "
                "check that it runs, or use http if its sets are long."
            ) from None
        except OSError as error:
            raise SwitchUnreachable(
                f"{self._place} cannot be reached ({reason_of(error)}); "
                "check that it runs and that url is right."
            ) from None
        return result_of(content, number, self._place)

    async def close(self) -> None:
        """Nothing is kept open between calls."""

    async def _asked(self, data: bytes) -> bytes:
        # A socket of its own for each question: no late answer to another one comes to it.
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Ear(answer), remote_addr=(self._url.host, self._url.port)
        )
        try:
            transport.sendto(data)
            return await answer
        finally:
            transport.abort()


class _Ear(asyncio.DatagramProtocol):
    """Waits for one datagram."""

    def __init__(self, answer: asyncio.Future[bytes]) -> None:
        self._answer = answer

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self._answer.done():
            self._answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc)
