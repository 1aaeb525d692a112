"""Asterisk, by its manager interface (AMI): one entry of AstDB for each trunk.

The state is put where a dialplan reads it: family ``trunkpulse`` of Asterisk's own database, key
the trunk's id, value ``UP`` or ``DOWN``, read as ``${DB(trunkpulse/carrier-a)}``. AstDB is kept on
disk: an Asterisk that was restarted has its last states at once, before anybody tells it again.

Why neither a device state nor a global variable: both are set by ``Setvar``, which takes the class
``call`` and with it the right to hang up and to redirect calls, and a global variable is forgotten
at a restart. Why not ARI: it knows device states and global variables, but not AstDB, and its users
may read everything or do everything.

``DBPut`` and ``DBGet`` take the class ``system`` of manager.conf and nothing else. The protocol:
https://docs.asterisk.org/Configuration/Interfaces/Asterisk-Manager-Interface-AMI/, the actions
``Challenge``, ``Login``, ``DBGet`` and ``DBPut`` in the reference of AMI there, and ``main/db.c``
and ``main/manager.c`` of its source. A message is a block of ``Name: value`` lines that an empty
line ends; the first line after connecting is a greeting and stands alone. A value comes in an event
of its own behind the answer that announces it.

The password is never sent: the login answers a challenge (MD5, the only digest that AMI has, so use
``tls:`` outside of one machine).

Held against a server of the tests' own, written from these, not against Asterisk itself.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from trunkpulse.adapters.switches.by_name import PLACE, STATES, check_names, value_of
from trunkpulse.adapters.switches.conversation import (
    ANSWER_SECONDS,
    Conversation,
    Incomprehensible,
)
from trunkpulse.adapters.switches.wording import plain
from trunkpulse.config.switches import SwitchSettings
from trunkpulse.ports import Entry, SwitchRefused

__all__ = ["Asterisk", "ManagerFraming", "ManagerMessage", "switch_of"]

GREETING: Final = "Asterisk Call Manager/"
MOST_MESSAGE_BYTES: Final = 64 * 1024
"""No answer to what is asked here, and no event, comes near it."""
AT_A_TIME: Final = 50
"""Questions that are sent before the answers are heard: Asterisk reads on while it answers."""
NAMES_A_SECOND: Final = 1000
"""What is waited for at least; AstDB is asked for each name."""


@dataclass(frozen=True, slots=True)
class ManagerMessage:
    """What Asterisk said: an answer, an event, or its greeting."""

    fields: Mapping[str, str]
    """By names in small letters; of a name that comes twice the first value."""
    greeting: str = ""
    """The line that stands alone; empty for all others."""

    def __getitem__(self, name: str) -> str:
        """The value of a field; empty if there is no such field."""
        return self.fields.get(name, "")


class ManagerFraming:
    """Cuts what the manager interface sends into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._end = b"\r\n"
        """Of what comes next: first the greeting, then blocks."""

    def feed(self, data: bytes) -> list[ManagerMessage]:
        """The messages that ``data`` completes; raises Incomprehensible."""
        searched = max(len(self._buffer) - len(self._end) + 1, 0)
        self._buffer += data
        messages = []
        while (end := self._buffer.find(self._end, searched)) >= 0:
            block = bytes(self._buffer[:end]).decode("utf-8", "replace")
            del self._buffer[: end + len(self._end)]
            searched = 0
            messages.append(self._message(block))
        if len(self._buffer) > MOST_MESSAGE_BYTES:
            raise Incomprehensible(f"more than {MOST_MESSAGE_BYTES} bytes in one message")
        return messages

    def _message(self, block: str) -> ManagerMessage:
        if self._end == b"\r\n":
            if not block.startswith(GREETING):
                raise Incomprehensible("something that is not the manager interface's protocol")
            self._end = b"\r\n\r\n"
            return ManagerMessage({}, greeting=block)
        fields: dict[str, str] = {}
        for line in block.split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                fields.setdefault(name.strip().lower(), value.strip())
        return ManagerMessage(fields)


def switch_of(settings: SwitchSettings) -> Asterisk:
    """The switch that ``settings`` describe, not yet connected."""
    return Asterisk(settings)


class Asterisk:
    """Entries by trunk id in AstDB."""

    by_address = False

    def __init__(
        self,
        settings: SwitchSettings,
        *,
        answer_seconds: float = ANSWER_SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._username = settings.username or ""
        self._password = settings.password or ""
        self._actions = 0
        """How many there were; an answer says which one it belongs to."""
        self._talk: Conversation[ManagerMessage] = Conversation(
            settings.url,
            "Asterisk",
            ManagerFraming,
            self._log_in,
            timeout_seconds=answer_seconds,
            tls=tls,
            ca_file=settings.ca_file,
        )

    async def read(self, names: Sequence[str]) -> Sequence[Entry]:
        """What AstDB holds of each name, asked for in bundles."""
        check_names(names, self._talk.place)

        async def question() -> list[Entry]:
            entries: list[Entry] = []
            for start in range(0, len(names), AT_A_TIME):
                entries += await self._look_up(names[start : start + AT_A_TIME])
            return entries

        return await self._talk.ask(question, more_seconds=len(names) / NAMES_A_SECOND)

    async def write(self, key: str, *, up: bool) -> None:
        """Put it into AstDB."""
        check_names([key], self._talk.place)

        async def question() -> None:
            action = await self._do("DBPut", Family=PLACE, Key=key, Val=value_of(up=up))
            answer = await self._answer({action})
            if answer["response"] != "Success":
                raise self._refusal(answer)

        await self._talk.ask(question)

    async def close(self) -> None:
        """Give the connection up."""
        await self._talk.close()

    async def _log_in(self) -> None:
        await self._talk.hear()  # the greeting; the framing lets nothing else through
        for what, text in (("username", self._username), ("password", self._password)):
            if not text or not text.isprintable():
                raise SwitchRefused(
                    f"{self._talk.place} cannot be logged in to without a {what} of one printable "
                    f"line; set {what} to that of manager.conf."
                )
        challenge = await self._answer({await self._do("Challenge", AuthType="MD5")})
        if challenge["response"] != "Success" or not challenge["challenge"]:
            raise SwitchRefused(
                f'{self._talk.place} offers no challenge ("{plain(challenge["message"])}"), and '
                "the password is not sent without one; permit AuthType MD5 in it."
            )
        answered = f"{challenge['challenge']}{self._password}".encode()
        key = hashlib.md5(answered, usedforsecurity=False).hexdigest()
        action = await self._do(
            "Login", AuthType="MD5", Username=self._username, Key=key, Events="off"
        )
        login = await self._answer({action})
        if login["response"] != "Success":
            raise SwitchRefused(
                f'{self._talk.place} refuses the login ("{plain(login["message"])}"); check '
                "username and password, and permit of this user in manager.conf."
            )

    async def _look_up(self, names: Sequence[str]) -> list[Entry]:
        asked = {await self._do("DBGet", Family=PLACE, Key=name): name for name in names}
        states: dict[str, bool | None] = {}
        waiting = set(asked)
        while waiting:
            answer = await self._answer(waiting)
            action = answer["actionid"]
            if answer["event"] == "DBGetResponse":
                states[asked[action]] = STATES.get(answer["val"])
                waiting.discard(action)
            elif answer["message"] == "Database entry not found":
                waiting.discard(action)
            elif answer["response"] == "Error":
                raise self._refusal(answer)
        return [Entry(key=name, uri=None, up=states.get(name)) for name in names]

    async def _do(self, action: str, **fields: str) -> str:
        """Ask for it; returns what its answers are told by."""
        self._actions += 1
        identity = f"{PLACE}-{self._actions}"
        lines = [f"Action: {action}", f"ActionID: {identity}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        await self._talk.say("\r\n".join([*lines, "", ""]).encode())
        return identity

    async def _answer(self, actions: set[str]) -> ManagerMessage:
        """The next that belongs to one of ``actions``; all other events are passed over."""
        while True:
            message = await self._talk.hear()
            if message["actionid"] in actions:
                return message

    def _refusal(self, answer: ManagerMessage) -> SwitchRefused:
        return SwitchRefused(
            f'{self._talk.place} does not permit it ("{plain(answer["message"])}"); '
            'let this user have "write = system" in manager.conf.'
        )
