"""An adapter of each kind and the switch that it speaks with, for one suite over all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import MappingProxyType

from switch_servers.asterisk import AsteriskServer
from switch_servers.freeswitch import FreeSwitchServer
from switch_servers.kamailio import KamailioOverCtl, KamailioOverHttp, KamailioServer
from switch_servers.opensips import OpenSipsDatagramServer, OpenSipsServer
from switch_servers.sockets import Manner
from trunkpulse.adapters.switches.asterisk import Asterisk
from trunkpulse.adapters.switches.freeswitch import FreeSwitch
from trunkpulse.adapters.switches.kamailio import KamailioSwitch
from trunkpulse.adapters.switches.opensips import OpenSips
from trunkpulse.ports import Switch

__all__ = ["BENCHES", "PASSWORD", "SwitchBench"]

PASSWORD = "correct-horse"
SECONDS = 10.0
"""Longer than anything here takes."""
IMPATIENT_SECONDS = 0.2


class SwitchBench(ABC):
    """A switch with two ways out, and how to look at it from its own side."""

    first: str
    """The key of one way out."""
    second: str
    manners: frozenset[Manner] = frozenset(Manner) - {Manner.PROPER, Manner.DRIBBLING}
    """The bad ones that it has."""

    @abstractmethod
    async def start(self) -> None: ...

    @abstractmethod
    async def stop(self) -> None: ...

    @abstractmethod
    async def restart(self) -> None: ...

    @abstractmethod
    def switch(self, *, impatient: bool = False) -> Switch:
        """An adapter for it; not connected yet."""

    @abstractmethod
    def behave(self, manner: Manner) -> None: ...

    @abstractmethod
    def goes_to(self, key: str) -> bool | None:
        """Whether calls go there, as the switch sees it; None: it has not been told."""

    @abstractmethod
    def set_by_hand(self, key: str, *, up: bool) -> None: ...


class ByName(SwitchBench):
    """FreeSWITCH and Asterisk, which nobody has told anything yet."""

    first, second = "carrier-a", "Carrier.B_2"

    def __init__(
        self,
        server: FreeSwitchServer | AsteriskServer,
        adapter: type[FreeSwitch | Asterisk],
    ) -> None:
        self._server = server
        self._adapter = adapter

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    async def restart(self) -> None:
        await self._server.restart()

    def switch(self, *, impatient: bool = False) -> Switch:
        seconds = IMPATIENT_SECONDS if impatient else SECONDS
        return self._adapter(self._server.settings, answer_seconds=seconds)

    def behave(self, manner: Manner) -> None:
        self._server.manner = manner

    def goes_to(self, key: str) -> bool | None:
        value = self._server.value_of(key)
        assert value in {"UP", "DOWN", None}
        return None if value is None else value == "UP"

    def set_by_hand(self, key: str, *, up: bool) -> None:
        self._server.put(key, "UP" if up else "DOWN")


class OfOpenSips(SwitchBench):
    """Two destinations in two sets, both active."""

    first, second = "1 sip:192.0.2.1:5060", "2 sip:sbc.example.com;transport=tls"

    def __init__(self, server: OpenSipsServer | OpenSipsDatagramServer) -> None:
        self._server = server
        for key in (self.first, self.second):
            group, uri = key.split(" ")
            server.dispatcher.put(uri, group=int(group))
        if isinstance(server, OpenSipsDatagramServer):
            self.manners = frozenset({Manner.SILENT, Manner.CUT_SHORT, Manner.GARBLED})

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    async def restart(self) -> None:
        await self._server.restart()

    def switch(self, *, impatient: bool = False) -> Switch:
        seconds = IMPATIENT_SECONDS if impatient else SECONDS
        return OpenSips(self._server.settings, answer_seconds=seconds)

    def behave(self, manner: Manner) -> None:
        self._server.manner = manner

    def goes_to(self, key: str) -> bool | None:
        group, uri = key.split(" ")
        return self._server.dispatcher.state_of(uri, int(group)) == "Active"

    def set_by_hand(self, key: str, *, up: bool) -> None:
        group, uri = key.split(" ")
        for each in self._server.dispatcher.destinations:
            if (each.uri, each.group) == (uri, int(group)):
                each.state = "Active" if up else "Inactive"


class OfKamailio(SwitchBench):
    """Two destinations in two sets, both active."""

    first, second = "1 sip:192.0.2.1:5060", "2 sip:sbc.example.com;transport=tls"

    def __init__(self, server: KamailioServer) -> None:
        self._server = server
        for key in (self.first, self.second):
            group, uri = key.split(" ")
            server.put(uri, group=int(group))

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    async def restart(self) -> None:
        await self._server.restart()

    def switch(self, *, impatient: bool = False) -> Switch:
        seconds = IMPATIENT_SECONDS if impatient else SECONDS
        return KamailioSwitch(self._server.settings, answer_seconds=seconds)

    def behave(self, manner: Manner) -> None:
        self._server.manner = manner

    def goes_to(self, key: str) -> bool | None:
        return self._server.flags_of(key)[0] in "AT"

    def set_by_hand(self, key: str, *, up: bool) -> None:
        group, uri = key.split(" ")
        self._server.set_state("ap" if up else "ip", int(group), uri)


BENCHES: MappingProxyType[str, Callable[[], SwitchBench]] = MappingProxyType(
    {
        "kamailio-http": lambda: OfKamailio(KamailioOverHttp()),
        "kamailio-ctl": lambda: OfKamailio(KamailioOverCtl()),
        "opensips-http": lambda: OfOpenSips(OpenSipsServer()),
        "opensips-udp": lambda: OfOpenSips(OpenSipsDatagramServer()),
        "freeswitch": lambda: ByName(FreeSwitchServer(password=PASSWORD), FreeSwitch),
        "asterisk": lambda: ByName(AsteriskServer(password=PASSWORD), Asterisk),
    }
)
