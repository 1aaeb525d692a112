"""A connection to a switch on which both sides speak in messages, one after another.

What is common to FreeSWITCH's event socket and Asterisk's manager interface, which differ only in
how a message is framed and how one is let in: dialling, a deadline for whatever is asked, limits,
and a connection that is made anew when it was lost.

A connection on which anything went amiss is never used again: an answer that comes late would be
taken for that of the next question.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Generic, Protocol, TypeVar

from trunkpulse.adapters.switches.trust import trusting
from trunkpulse.adapters.switches.wording import reason_of
from trunkpulse.config.switches import SwitchUrl
from trunkpulse.ports import SwitchRefused, SwitchUnreachable

__all__ = [
    "ANSWER_SECONDS",
    "Conversation",
    "Ended",
    "Framing",
    "Incomprehensible",
]

ANSWER_SECONDS: Final = 2.0
"""What a switch has to answer, connection and login included."""
_GOODBYE_SECONDS: Final = 1.0
_CHUNK_BYTES: Final = 64 * 1024

Message = TypeVar("Message")
Answer = TypeVar("Answer")


class Incomprehensible(Exception):
    """What came is not what this protocol says, or too much of it; a phrase for a person."""


class Ended(Exception):
    """The far side has ended the connection, or is about to."""


class Framing(Protocol[Message]):
    """Cuts what comes into messages: bytes in, messages out, and nothing else."""

    def feed(self, data: bytes) -> list[Message]:
        """The messages that ``data`` completes; raises Incomprehensible, and is then of no use."""


class Conversation(Generic[Message]):
    """With one switch; questions are asked one after another."""

    def __init__(
        self,
        url: SwitchUrl,
        program: str,
        framing: Callable[[], Framing[Message]],
        greet: Callable[[], Awaitable[None]],
        *,
        timeout_seconds: float = ANSWER_SECONDS,
        tls: ssl.SSLContext | None = None,
        ca_file: str | None = None,
    ) -> None:
        """``program`` is the switch's name for people; each connection gets a new ``framing``.

        ``greet`` gets us in on a new connection, by ``say`` and ``hear``. ``tls`` verifies the
        certificate if the scheme of ``url`` is ``tls``; None: one that trusts ``ca_file`` does, or,
        without such a file, this machine's trust.
        """
        self._url = url
        self._framing = framing
        self._greet = greet
        self._timeout_seconds = timeout_seconds
        self._tls = tls
        self._ca_file = ca_file
        self._line: _Line[Message] | None = None
        self.place = f"{program} at {url}"
        """For sentences."""

    async def ask(
        self, question: Callable[[], Awaitable[Answer]], *, more_seconds: float = 0.0
    ) -> Answer:
        """What ``question`` returns, which uses ``say`` and ``hear``.

        It is asked again on a new connection if the one at hand has ended meanwhile, so it must do
        no harm when it is asked twice. It raises SwitchRefused only when nothing that comes later
        could be taken for another answer; the connection is kept then. ``more_seconds`` is for long
        answers. Raises SwitchUnreachable, and what ``question`` and ``greet`` raise.
        """
        sound = False
        seconds = self._timeout_seconds + more_seconds
        try:
            async with asyncio.timeout(seconds):
                answer = await self._asked(question)
            sound = True
        except SwitchRefused:
            sound = True
            raise
        except TimeoutError:
            raise SwitchUnreachable(
                f"{self.place} did not answer within {round(seconds, 1):g} seconds; "
                "check that it runs and is not overloaded."
            ) from None
        except Ended:
            raise SwitchUnreachable(
                f"{self.place} ended the connection in the middle; "
                "check that it runs and lets this machine in."
            ) from None
        except Incomprehensible as trouble:
            raise SwitchUnreachable(
                f"{self.place} answered with {trouble}; check that url leads to the right port."
            ) from None
        except OSError as error:
            raise SwitchUnreachable(
                f"{self.place} cannot be reached ({reason_of(error)}); "
                "check that it runs and that url is right."
            ) from None
        finally:
            if not sound:
                self.end()
        return answer

    async def say(self, data: bytes) -> None:
        """Send it; only within ``greet`` and a question."""
        line = self._present()
        line.writer.write(data)
        await line.writer.drain()

    async def hear(self) -> Message:
        """The next message; only within ``greet`` and a question."""
        line = self._present()
        while not line.heard:
            data = await line.reader.read(_CHUNK_BYTES)
            if not data:
                raise Ended
            line.heard.extend(line.framing.feed(data))
        return line.heard.popleft()

    def end(self) -> None:
        """Have no connection any more; safe to repeat."""
        line, self._line = self._line, None
        if line is not None:
            line.writer.transport.abort()

    async def close(self) -> None:
        """End the connection in an orderly way; safe to repeat, and never raises."""
        line, self._line = self._line, None
        if line is None:
            return
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS):
                line.writer.close()
                await line.writer.wait_closed()
        except OSError:  # a TimeoutError is one
            pass
        finally:
            line.writer.transport.abort()

    async def _asked(self, question: Callable[[], Awaitable[Answer]]) -> Answer:
        if self._line is not None:
            try:
                return await question()
            except (Ended, ConnectionError):  # it was restarted, or had enough of us
                self.end()
        await self._dial()
        try:
            await self._greet()
        except SwitchRefused:
            self.end()
            raise
        return await question()

    async def _dial(self) -> None:
        secure = self._url.scheme == "tls"
        # It is read from disk once a connection, which is rarely.
        context = (self._tls or trusting(self._ca_file)) if secure else None
        if self._url.scheme == "unix":
            reader, writer = await asyncio.open_unix_connection(self._url.path, limit=_CHUNK_BYTES)
        else:
            reader, writer = await asyncio.open_connection(
                self._url.host, self._url.port, ssl=context, limit=_CHUNK_BYTES
            )
        self._line = _Line(reader, writer, self._framing())

    def _present(self) -> _Line[Message]:
        if self._line is None:
            raise Ended
        return self._line


class _Line(Generic[Message]):
    """One connection."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        framing: Framing[Message],
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.framing = framing
        self.heard: deque[Message] = deque()
        """What came at once with what was waited for; of one chunk, so it is bounded."""
