"""FreeSWITCH, by its event socket: one entry of mod_hash for each trunk.

FreeSWITCH has no command that takes a gateway out and keeps it out: ``sofia profile … killgw``
forgets the gateway until the profile is rescanned, and a gateway's own ``ping`` brings it back on
its own evidence. So the state is put where a dialplan reads it: realm ``trunkpulse`` of mod_hash,
key the trunk's id, value ``UP`` or ``DOWN``, read as ``${hash(select/trunkpulse/carrier-a)}``.

Why mod_hash, and neither a global variable nor mod_db: global variables are compared without regard
to case, so ``Carrier-A`` and ``carrier-a`` would be one, and the right to set one of them is the
right to set all. mod_db asks SQL for each call and forgets at a restart as well. mod_hash is in
memory and is loaded by FreeSWITCH's own example configuration. It is empty after a restart, which
is found when it is read back, and what the dialplan reads until then is an empty text.

The protocol: mod_event_socket, in FreeSWITCH's source and at
https://developer.signalwire.com/freeswitch/FreeSWITCH-Explained/Modules/mod_event_socket_1048924.
A message is a block of headers that an empty line ends, and a body if there is a Content-Length.
An ``api`` command that has nothing to say is answered with the body ``-ERR no reply``.

Held against a server of the tests' own, written from these, not against FreeSWITCH itself.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from trunkpulse.adapters.switches.by_name import PLACE, STATES, check_names, value_of
from trunkpulse.adapters.switches.conversation import (
    ANSWER_SECONDS,
    Conversation,
    Ended,
    Incomprehensible,
)
from trunkpulse.adapters.switches.wording import plain
from trunkpulse.config.switches import SwitchSettings
from trunkpulse.ports import Entry, SwitchRefused

__all__ = ["EventSocketFraming", "EventSocketMessage", "FreeSwitch", "switch_of"]

MOST_HEADER_BYTES: Final = 64 * 1024
MOST_BODY_BYTES: Final = 8 * 1024 * 1024
"""Of one answer: other realms' entries are not in ours, and 10,000 trunks take a tenth of it."""
LINES_AT_A_TIME: Final = 500
WORDS_BYTES: Final = 1000

_LENGTH = re.compile(r"[0-9]{1,9}")
_REJECTIONS = frozenset({"text/rude-rejection", "rude/rejection"})
_NOTHING = b"-ERR no reply"


@dataclass(frozen=True, slots=True)
class EventSocketMessage:
    """What FreeSWITCH said."""

    type: str
    """Its Content-Type."""
    reply: str
    """Its Reply-Text; empty if there is none."""
    body: bytes


class EventSocketFraming:
    """Cuts what mod_event_socket sends into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        """No empty line ends before this."""
        self._head: dict[str, str] | None = None
        """Of the message whose body is still coming."""
        self._length = 0
        """Of that body."""

    def feed(self, data: bytes) -> list[EventSocketMessage]:
        """The messages that ``data`` completes; raises Incomprehensible."""
        self._buffer += data
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> EventSocketMessage | None:
        if self._head is None:
            self._head = self._next_head()
        if self._head is None or len(self._buffer) < self._length:
            return None
        head, self._head = self._head, None
        body = bytes(self._buffer[: self._length])
        del self._buffer[: self._length]
        self._length = 0
        return EventSocketMessage(
            head["content-type"].lower(), head.get("reply-text", "").strip(), body
        )

    def _next_head(self) -> dict[str, str] | None:
        if not self._searched:
            blanks = len(self._buffer) - len(self._buffer.lstrip(b"\r\n"))
            del self._buffer[:blanks]  # some answers end with one line more than they say
        end = self._buffer.find(b"\n\n", self._searched)
        if end < 0:
            if len(self._buffer) > MOST_HEADER_BYTES:
                raise Incomprehensible(f"more than {MOST_HEADER_BYTES} bytes of headers")
            self._searched = max(len(self._buffer) - 1, 0)
            return None
        head = _fields(bytes(self._buffer[:end]))
        del self._buffer[: end + 2]
        self._searched = 0
        if "content-type" not in head:
            raise Incomprehensible("something that is not the event socket's protocol")
        length = head.get("content-length", "0")
        if not _LENGTH.fullmatch(length):
            raise Incomprehensible("a message whose length is no number")
        self._length = int(length)
        if self._length > MOST_BODY_BYTES:
            raise Incomprehensible(f"{self._length} bytes, of which {MOST_BODY_BYTES} are taken")
        return head


def _fields(head: bytes) -> dict[str, str]:
    """Its headers by their names in small letters; a line that is none is passed over."""
    pairs = (line.partition(":") for line in head.decode("utf-8", "replace").splitlines())
    return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}


def switch_of(settings: SwitchSettings) -> FreeSwitch:
    """The switch that ``settings`` describe, not yet connected."""
    return FreeSwitch(settings)


class FreeSwitch:
    """Entries by trunk id in mod_hash."""

    by_address = False

    def __init__(self, settings: SwitchSettings, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._username = settings.username
        self._password = settings.password or ""
        self._talk: Conversation[EventSocketMessage] = Conversation(
            settings.url,
            "FreeSWITCH",
            EventSocketFraming,
            self._log_in,
            timeout_seconds=answer_seconds,
        )

    async def read(self, names: Sequence[str]) -> Sequence[Entry]:
        """What mod_hash holds of each name, all of it by one command."""
        check_names(names, self._talk.place)

        async def question() -> dict[str, bool | None]:
            body = await self._api(f"hash_dump db {PLACE}")
            if body and not body.startswith(b"D/"):
                raise self._refusal(body)
            return {key: up async for key, up in _dumped(body)}

        held = await self._talk.ask(question)
        return [Entry(key=name, uri=None, up=held.get(name)) for name in names]

    async def write(self, key: str, *, up: bool) -> None:
        """Put it into mod_hash."""
        check_names([key], self._talk.place)

        async def question() -> None:
            body = await self._api(f"hash insert/{PLACE}/{key}/{value_of(up=up)}")
            if not body.startswith(b"+OK"):
                raise self._refusal(body)

        await self._talk.ask(question)

    async def close(self) -> None:
        """Give the connection up."""
        await self._talk.close()

    async def _log_in(self) -> None:
        hello = await self._talk.hear()
        if hello.type in _REJECTIONS:
            raise SwitchRefused(
                f"{self._talk.place} turns this machine away; "
                "let its address in with apply-inbound-acl of event_socket.conf.xml."
            )
        if hello.type != "auth/request":
            raise Incomprehensible("something that is not the event socket's protocol")
        secret = self._password
        if self._username is not None:
            if not re.fullmatch(r"[^@:\s]+@[^@:\s]+", self._username):
                raise SwitchRefused(
                    f"{self._talk.place} knows users as NAME@DOMAIN; write username in that way."
                )
            secret = f"{self._username}:{secret}"
        if not secret.isprintable():
            raise SwitchRefused(
                f"{self._talk.place} cannot be told the password, which is not one printable line."
            )
        command = "auth" if self._username is None else "userauth"
        await self._talk.say(f"{command} {secret}\n\n".encode())
        if not (await self._answer("command/reply")).reply.startswith("+OK"):
            raise SwitchRefused(
                f"{self._talk.place} refuses the password; set password to that of "
                + (
                    "event_socket.conf.xml."
                    if self._username is None
                    else "esl-password of this user in the directory."
                )
            )

    async def _api(self, command: str) -> bytes:
        """What FreeSWITCH says to a command; nothing if it has nothing to say."""
        await self._talk.say(f"api {command}\n\n".encode("ascii"))
        answer = await self._answer("api/response")
        return b"" if answer.body.rstrip() == _NOTHING else answer.body

    async def _answer(self, wanted: str) -> EventSocketMessage:
        """The next of type ``wanted``; events and the log of others are passed over."""
        while True:
            message = await self._talk.hear()
            if message.type == wanted:
                return message
            if message.type == "command/reply" and message.reply.startswith("-ERR"):
                raise SwitchRefused(
                    f'{self._talk.place} does not permit it ("{plain(message.reply)}"); '
                    'let esl-allowed-api of this user be "hash hash_dump".'
                )
            if message.type in _REJECTIONS or message.type == "text/disconnect-notice":
                raise Ended

    def _refusal(self, body: bytes) -> SwitchRefused:
        words = body[:WORDS_BYTES].decode("utf-8", "replace")
        if "Command not found" in words:
            remedy = "load mod_hash in it"
        else:
            remedy = "check that its mod_hash is that of FreeSWITCH 1.6 or newer"
        return SwitchRefused(
            f'{self._talk.place} does not do what it is told ("{plain(words)}"); {remedy}.'
        )


async def _dumped(body: bytes) -> AsyncIterator[tuple[str, bool | None]]:
    """Of each line ``D/trunkpulse_KEY/VALUE`` the key, and what the value says."""
    start, prefix = 0, f"D/{PLACE}_".encode()
    count = 0
    while start < len(body):
        end = body.find(b"\n", start)
        line = body[start : end if end >= 0 else len(body)]
        start += len(line) + 1
        if line.startswith(prefix):
            key, _, value = line[len(prefix) :].partition(b"/")
            yield key.decode("utf-8", "replace"), STATES.get(value.decode("utf-8", "replace"))
        count += 1
        if count % LINES_AT_A_TIME == 0:
            await asyncio.sleep(0)
