"""A stand-in for FreeSWITCH: its event socket with mod_hash behind it, and nothing else.

Written from mod_event_socket.c and mod_hash.c of its source, because FreeSWITCH itself cannot be
had here. What it copies of their ways: the greeting, the two kinds of login and what is said before
the connection is closed on a wrong password, an ACL's rejection, the answer to a command that is
not there or not allowed, ``-ERR no reply`` where a command has nothing to say, events and log lines
between question and answer, and mod_hash's joining of realm and key by ``_``, which makes a dump of
one realm give what merely sounds like it.
"""

from __future__ import annotations

import asyncio

from switch_servers.sockets import HOST, TcpStandIn
from trunkpulse.config.switches import SwitchSettings, SwitchType, SwitchUrl

GOODBYE = "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"


class FreeSwitchServer(TcpStandIn):
    """mod_event_socket and mod_hash."""

    def __init__(self, *, password: str = "ClueCon") -> None:
        super().__init__()
        self.password = password
        self.user: str | None = None
        """One of the directory, NAME@DOMAIN; None: there is the socket's own password."""
        self.allowed_api: frozenset[str] | None = None
        """What this user may do; None: everything."""
        self.modules = {"mod_hash"}
        self.lets_in = True
        """What the ACL says of loopback."""
        self.noisy = False
        """True: events and log lines come before each answer."""
        self.commands: list[str] = []
        """All that it was told, logins included."""
        self.hash: dict[str, str] = {}
        """By REALM_KEY, as mod_hash joins them."""

    @property
    def settings(self) -> SwitchSettings:
        return SwitchSettings(
            id="pbx",
            type=SwitchType.FREESWITCH,
            url=SwitchUrl("tcp", HOST, self.port),
            username=self.user,
            password=self.password,
        )

    def value_of(self, trunk: str) -> str | None:
        return self.hash.get(f"trunkpulse_{trunk}")

    def put(self, trunk: str, value: str) -> None:
        self.hash[f"trunkpulse_{trunk}"] = value

    def forget(self) -> None:
        self.hash.clear()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.lets_in:
            await self._message(writer, "text/rude-rejection", "Access Denied, go away.\n")
            return
        await self._message(writer, "auth/request")
        authenticated = False
        while True:
            command = (await reader.readuntil(b"\n\n")).decode().strip()
            self.commands.append(command)
            verb, _, rest = command.partition(" ")
            if not authenticated:
                authenticated = self._is_right(verb, rest)
                await self._reply(writer, "+OK accepted" if authenticated else "-ERR invalid")
                if not authenticated:
                    await self._message(writer, "text/disconnect-notice", GOODBYE)
                    return
            elif verb == "api":
                await self._api(writer, *rest.split(" ", 1))
            else:
                await self._reply(writer, "-ERR command not found")

    def _is_right(self, verb: str, rest: str) -> bool:
        if verb == "userauth":
            return self.user is not None and rest == f"{self.user}:{self.password}"
        return verb == "auth" and rest == self.password

    async def _api(self, writer: asyncio.StreamWriter, name: str, argument: str = "") -> None:
        if self.noisy:
            event = "Event-Name: HEARTBEAT\nEvent-Info: System%20Ready\n\n"
            await self._message(writer, "text/event-plain", event)
            await self._message(writer, "log/data", "2026-11-23 [NOTICE] Content-Type: nonsense\n")
        if self.allowed_api is not None and name not in self.allowed_api:
            await self._reply(writer, "-ERR permission denied")
            return
        if name not in {"hash", "hash_dump"} or "mod_hash" not in self.modules:
            body = f"-ERR {name} Command not found!\n"
        elif name == "hash":
            body = self._hash(argument.split("/", 3))
        else:
            body = self._dump(argument.split(" "))
        await self._message(writer, "api/response", body or "-ERR no reply\n", answer=True)

    def _hash(self, arguments: list[str]) -> str:
        match arguments:
            case ["insert", realm, key, value]:
                self.hash[f"{realm}_{key}"] = value
                return "+OK\n"
            case ["select", realm, key]:
                return self.hash.get(f"{realm}_{key}", "")
        return "-ERR Usage: hash insert|insert_ifempty|select|delete|delete_ifmatch/realm/key\n"

    def _dump(self, arguments: list[str]) -> str:
        match arguments:
            case ["db", realm]:
                entries = self.hash.items()
                return "".join(f"D/{key}/{val}\n" for key, val in entries if f"{realm}_" in key)
        return "Usage: all|limit|db [<realm>]\n"

    async def _reply(self, writer: asyncio.StreamWriter, text: str) -> None:
        await self.say(writer, f"Content-Type: command/reply\nReply-Text: {text}\n\n", answer=False)

    async def _message(
        self, writer: asyncio.StreamWriter, kind: str, body: str = "", *, answer: bool = False
    ) -> None:
        length = f"Content-Length: {len(body.encode())}\n" if body else ""
        await self.say(writer, f"Content-Type: {kind}\n{length}\n{body}", answer=answer)
