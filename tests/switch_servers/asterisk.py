"""A stand-in for Asterisk: its manager interface with AstDB behind it, and nothing else.

Written from main/manager.c and main/db.c of its source, because Asterisk itself cannot be had here.
What it copies of their ways: the greeting, the login by challenge and the end of the connection on
a wrong one (without the second that Asterisk sleeps first), ``FullyBooted`` behind the login,
classes of rights and what is said without them, an unknown action, the value of an entry in an
event of its own, with the ends of lists that newer versions add, events between question and
answer, and an AstDB that outlives a restart.
"""

from __future__ import annotations

import asyncio
import hashlib

from switch_servers.sockets import HOST, TcpStandIn
from trunkpulse.config.switches import SwitchSettings, SwitchType, SwitchUrl

CHALLENGE = "840415273"


class AsteriskServer(TcpStandIn):
    """The manager interface and AstDB."""

    def __init__(self, *, password: str = "amp-111") -> None:
        super().__init__()
        self.user = "trunkpulse"
        self.password = password
        self.classes = frozenset({"system"})
        """Of ``write`` in manager.conf."""
        self.challenges = True
        """False: it takes no login but that with the plain password."""
        self.modern = True
        """False: as before Asterisk 13, whose lists have no ends."""
        self.noisy = False
        """True: events come before each answer."""
        self.actions: list[dict[str, str]] = []
        """All that it was asked."""
        self.database: dict[str, str] = {}
        """AstDB, by /FAMILY/KEY."""

    @property
    def settings(self) -> SwitchSettings:
        return SwitchSettings(
            id="pbx",
            type=SwitchType.ASTERISK,
            url=SwitchUrl("tcp", HOST, self.port),
            username=self.user,
            password=self.password,
        )

    def value_of(self, trunk: str) -> str | None:
        return self.database.get(f"/trunkpulse/{trunk}")

    def put(self, trunk: str, value: str) -> None:
        self.database[f"/trunkpulse/{trunk}"] = value

    def forget(self) -> None:
        """AstDB is on disk."""

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.say(writer, "Asterisk Call Manager/7.0.3\r\n", answer=False)
        authenticated = False
        while True:
            block = (await reader.readuntil(b"\r\n\r\n")).decode().strip()
            pairs = (line.split(": ", 1) for line in block.split("\r\n"))
            action = {name.lower(): value for name, value in pairs}
            self.actions.append(action)
            name = action["action"].lower()
            if name == "challenge":
                await self._challenge(writer, action)
            elif not authenticated:
                if name != "login" or not self._is_right(action):
                    why = "Authentication failed" if name == "login" else "Permission denied"
                    await self._respond(writer, action, "Error", f"Message: {why}")
                    if name == "login":
                        return
                    continue
                authenticated = True
                accepted = "Message: Authentication accepted"
                await self._respond(writer, action, "Success", accepted)
                booted = "Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted"
                await self.say(writer, f"{booted}\r\n\r\n", answer=False)
            else:
                await self._act(writer, name, action)

    def _is_right(self, action: dict[str, str]) -> bool:
        key = hashlib.md5(f"{CHALLENGE}{self.password}".encode()).hexdigest()
        return action.get("username") == self.user and action.get("key") == key

    async def _challenge(self, writer: asyncio.StreamWriter, action: dict[str, str]) -> None:
        if self.challenges and action.get("authtype") == "MD5":
            await self._respond(writer, action, "Success", f"Challenge: {CHALLENGE}")
        else:
            await self._respond(writer, action, "Error", "Message: Must specify AuthType")

    async def _act(self, writer: asyncio.StreamWriter, name: str, action: dict[str, str]) -> None:
        if self.noisy:
            rung = "Event: Newchannel\r\nPrivilege: call,all\r\nChannel: PJSIP/a-1\r\n\r\n"
            hung = "Event: Hangup\r\nPrivilege: call,all\r\nCause-txt: Normal\r\nActionID:\r\n\r\n"
            await self.say(writer, rung + hung, answer=False)
        needed = {"dbput": {"system"}, "dbget": {"system", "reporting"}}.get(name)
        place = f"/{action.get('family')}/{action.get('key')}"
        if needed is None:
            unknown = f"Invalid/unknown command: {action['action']}. Use Action: ListCommands"
            await self._respond(writer, action, "Error", f"Message: {unknown}", answer=True)
        elif not needed & self.classes:
            await self._respond(writer, action, "Error", "Message: Permission denied", answer=True)
        elif name == "dbput":
            self.database[place] = action.get("val", "")
            done = "Message: Updated database successfully"
            await self._respond(writer, action, "Success", done, answer=True)
        elif place not in self.database:
            await self._respond(
                writer, action, "Error", "Message: Database entry not found", answer=True
            )
        else:
            await self._value(writer, action, self.database[place])

    async def _value(
        self, writer: asyncio.StreamWriter, action: dict[str, str], value: str
    ) -> None:
        identity = f"ActionID: {action['actionid']}"
        start = "EventList: start\r\n" if self.modern else ""
        answer = f"Response: Success\r\n{identity}\r\n{start}Message: Result will follow\r\n\r\n"
        answer += "Event: DBGetResponse\r\n"
        answer += f"Family: {action['family']}\r\nKey: {action['key']}\r\nVal: {value}\r\n"
        answer += f"{identity}\r\n\r\n"
        if self.modern:
            answer += f"Event: DBGetComplete\r\n{identity}\r\n"
            answer += "EventList: Complete\r\nListItems: 1\r\n\r\n"
        await self.say(writer, answer)

    async def _respond(
        self,
        writer: asyncio.StreamWriter,
        action: dict[str, str],
        response: str,
        line: str,
        *,
        answer: bool = False,
    ) -> None:
        identity = f"ActionID: {action['actionid']}\r\n" if "actionid" in action else ""
        text = f"Response: {response}\r\n{identity}{line}\r\n\r\n"
        await self.say(writer, text, answer=answer)
