"""One request over HTTP and what comes of it, for every destination that is spoken to that way.

A transport is used without httpx2's client around it: that client writes each URL, query
included, to its log, keeps the receiver's cookies, and has redirects and proxies to switch off.
A destination wants none of these. A redirect is never followed, since it would send the event
where nobody configured it.

Nothing that is kept of an exchange for the person who looks for a mistake holds a secret: of the
URL the query is left out, of the headers only those are shown that are named, and in what the far
side said the secrets that it was told are struck out.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import unquote, unquote_plus

import httpx2

from trunkpulse import __version__
from trunkpulse.adapters.outbound import Forbidden, HostUnknown
from trunkpulse.model import EventStream
from trunkpulse.ports import DeliveryOutcome, DestinationInvalid, SinkAnswer

__all__ = [
    "BODY_LIMIT_BYTES",
    "EXCERPT_CHARACTERS",
    "HttpExchange",
    "NoReply",
    "Reply",
    "http_url",
    "query_secrets",
    "retry_after_seconds",
]

BODY_LIMIT_BYTES = 16 * 1024
"""What is read of an answer's body; beyond it the connection is dropped."""
BODY_SECONDS = 2.0
"""How long the body may take: the status has already said what counts."""
EXCERPT_CHARACTERS = 120
"""What of the body goes into the one phrase that says how a delivery ended."""
SHOWN_CHARACTERS = 1000
"""What of a payload, or of a body, goes into the log of deliveries."""
RETRY_AFTER_CHARACTERS = 64
"""What is read as a Retry-After; the longest form of a date has 33."""
SHORTEST_SECRET = 6
"""Characters; anything shorter would strike out ordinary words."""
STRUCK_OUT = "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer with a status, whatever it is."""

    request: str
    """What was asked, as ``SinkAnswer.request``."""
    status: int
    body: str
    """Its beginning, at most ``BODY_LIMIT_BYTES``."""
    retry_after_seconds: float | None = None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def answer(
        self,
        outcome: DeliveryOutcome,
        *,
        detail: str | None = None,
        pinned: Mapping[str, str] | None = None,
    ) -> SinkAnswer:
        """What the sink says of it; without a ``detail`` the status and why, in a phrase."""
        status = _status_phrase(self.status)
        if detail is None:
            line = "" if outcome is DeliveryOutcome.ACCEPTED else _one_line(self.body)
            detail = ": ".join(part for part in (status, _cut(line, EXCERPT_CHARACTERS)) if part)
        return SinkAnswer(
            outcome=outcome,
            detail=detail,
            retry_after_seconds=(
                self.retry_after_seconds if outcome is DeliveryOutcome.TRY_LATER else None
            ),
            request=self.request,
            response="\n\n".join(
                part for part in (status, _cut(_one_line(self.body), SHOWN_CHARACTERS)) if part
            ),
            pinned=pinned or {},
        )


class NoReply(Exception):
    """No answer came, or none that is one; the message is a phrase for a person."""

    def __init__(self, detail: str, request: str) -> None:
        super().__init__(detail)
        self.request = request

    def answer(self) -> SinkAnswer:
        return SinkAnswer(outcome=DeliveryOutcome.TRY_LATER, detail=str(self), request=self.request)


class HttpExchange:
    """Sends requests over one transport, each within the same limits."""

    def __init__(
        self,
        transport: httpx2.AsyncBaseTransport,
        *,
        timeout_seconds: float = 20.0,
        wall: Callable[[], float] = time.time,
        secrets: Collection[str | None] = (),
    ) -> None:
        """``timeout_seconds`` bounds a request: connecting, sending and the answer up to its body.

        The body has ``BODY_SECONDS`` of its own: an event that was taken at the last moment is not
        sent again because of it.
        ``wall`` gives the seconds since the epoch that a date in Retry-After is measured from.
        ``secrets`` are struck out wherever the far side repeats them.
        """
        self._transport = transport
        self._timeout_seconds = timeout_seconds
        self._connect_seconds = timeout_seconds / 2
        self._wall = wall
        self._secrets = _strikable(secrets)

    async def send(
        self,
        method: str,
        url: httpx2.URL,
        *,
        headers: Mapping[str, str],
        hidden: Mapping[str, str] | None = None,
        body: str | None = None,
        shown: str = "",
    ) -> Reply:
        """Ask once; raises NoReply if no answer comes.

        ``hidden`` are headers whose values are kept to ourselves; ``shown`` is what of the body
        may be put down in the log of deliveries.
        """
        sent = {
            "accept-encoding": "identity",
            "user-agent": f"trunkpulse/{__version__}",
            **headers,
        }
        request = httpx2.Request(
            method,
            url,
            headers={**(hidden or {}), **sent},
            content=None if body is None else body.encode(),
            # The pool closes a TLS handshake that it gives up itself, not one that is cancelled.
            extensions={"timeout": {"connect": self._connect_seconds}},
        )
        asked = self._shown_request(method, url, sent, hidden or {}, shown)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._transport.handle_async_request(request)
            return await self._read(response, asked)
        except TimeoutError:
            raise NoReply(f"no answer within {self._timeout_seconds:g} seconds", asked) from None
        except httpx2.ConnectTimeout:
            raise NoReply(
                f"no connection within {self._connect_seconds:g} seconds", asked
            ) from None
        except (httpx2.TransportError, OSError) as error:
            unsent = _unsent(error)
            raise NoReply(
                self._without_secrets(_phrase(error) if unsent is None else str(unsent)),
                asked if unsent is None else "",
            ) from None

    async def close(self) -> None:
        """Close idle connections; safe to repeat."""
        await self._transport.aclose()

    async def _read(self, response: httpx2.Response, asked: str) -> Reply:
        try:
            body = await _beginning(response)
        finally:
            await response.aclose()
        return Reply(
            request=asked,
            status=response.status_code,
            body=self._without_secrets(body),
            retry_after_seconds=retry_after_seconds(
                response.headers.get("retry-after", ""), self._wall()
            ),
        )

    def _shown_request(
        self,
        method: str,
        url: httpx2.URL,
        headers: Mapping[str, str],
        hidden: Mapping[str, str],
        shown: str,
    ) -> str:
        lines = [f"{method} {url.copy_with(query=None, userinfo=b'')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"{name}: {STRUCK_OUT}" for name in hidden]
        head = "\n".join(lines)
        text = f"{head}\n\n{_cut(shown, SHOWN_CHARACTERS)}" if shown else head
        return self._without_secrets(text)

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, STRUCK_OUT)
        return text


def _strikable(secrets: Collection[str | None]) -> Sequence[str]:
    """What to look for in a text, the longest first: "Bearer abc…" may be repeated in parts."""
    words = {word for secret in secrets if secret for word in (secret, *secret.split())}
    return sorted((word for word in words if len(word) >= SHORTEST_SECRET), key=len, reverse=True)


def query_secrets(url: httpx2.URL) -> tuple[str, ...]:
    """What of a URL may be a token, as it is sent and as the far side may repeat it."""
    query = url.query.decode("ascii", "replace")
    words = [part.partition("=")[2] or part for part in query.split("&")]
    return (query, *words, *map(unquote, words), *map(unquote_plus, words))


def http_url(stream: EventStream, example: str) -> httpx2.URL:
    """Where ``stream`` is sent; raises DestinationInvalid for what can never be asked."""
    # Whatever is wrong with it, the URL is not repeated: its query may hold a token.
    try:
        url = httpx2.URL(stream.destination.url)
    except httpx2.InvalidURL:
        url = httpx2.URL()
    # A character that cannot be in a host name comes back percent-encoded.
    if url.scheme not in {"http", "https"} or not url.host or "%" in url.host:
        raise DestinationInvalid(
            f"The destination of event stream {stream.id!r} needs an http or https url; "
            f"write it like {example}."
        )
    return url


async def _beginning(response: httpx2.Response) -> str:
    """The beginning of the body; empty if it cannot be read."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS), aclosing(response.aiter_raw()) as chunks:
            async for chunk in chunks:
                body += chunk[: BODY_LIMIT_BYTES - len(body)]
                if len(body) >= BODY_LIMIT_BYTES:
                    break
    except (TimeoutError, httpx2.TransportError):
        pass  # what came is enough: the status has been received
    return body.decode(errors="replace")


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def _status_phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def retry_after_seconds(value: str, wall: float) -> float | None:
    """How long a Retry-After asks to wait, seen at ``wall`` (seconds since the epoch).

    It is a number of seconds or a date (RFC 9110 10.2.3); None if it is neither, or longer than
    either can be.
    """
    if len(value) > RETRY_AFTER_CHARACTERS:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - wall)
    except (ValueError, OverflowError):  # a year or a zone may be any number
        return None


def _unsent(error: BaseException) -> Forbidden | HostUnknown | None:
    """Why nothing was connected to, and so nothing sent; None if something was."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, Forbidden | HostUnknown):
        cause = cause.__cause__ or cause.__context__
    return cause


def _phrase(error: BaseException) -> str:
    """What went wrong, in the operating system's words if it was the one to say so."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            # asyncio puts the address where the system's text was; of TLS and DNS errors it is
            # the other way round, the number means nothing to the system.
            if cause.errno and (isinstance(cause, ConnectionError) or type(cause) is OSError):
                return os.strerror(cause.errno)
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__
