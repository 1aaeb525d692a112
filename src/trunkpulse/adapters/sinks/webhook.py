"""Events by HTTP POST, as Standard Webhooks 1.0 asks for it.

The connection pool is used without httpx2's client around it: that client writes each URL,
query included, to its log, keeps the receiver's cookies, and has redirects and proxies to
switch off. A webhook wants none of these.

Anything but 2xx is worth another try (a redirect too: it is never followed, since it would send
the event where nobody configured it), except 410 Gone, by which a receiver says that it is no
longer one.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import time
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx2
from standardwebhooks import Webhook

from trunkpulse import __version__
from trunkpulse.model import EventStream
from trunkpulse.ports import Delivery, DeliveryOutcome, DestinationInvalid, SinkAnswer

__all__ = ["WebhookSink", "retry_after_seconds"]

BODY_LIMIT_BYTES = 16 * 1024
"""What is read of an answer's body; beyond it the connection is dropped."""
BODY_SECONDS = 2.0
"""How long the body may take: the status has already said what counts."""
EXCERPT_CHARACTERS = 120
"""What of the body is kept for the person who asks why a delivery failed."""
RETRY_AFTER_CHARACTERS = 64
"""What is read as a Retry-After; the longest form of a date has 33."""
IDLE_CONNECTION_SECONDS = 30.0
CONNECTIONS = 32

_SECRET_PREFIX = "whsec_"  # noqa: S105 - the scheme's public prefix, not a secret


class WebhookSink:
    """Delivers to one URL, signed if the destination has a secret."""

    def __init__(
        self,
        stream: EventStream,
        *,
        timeout_seconds: float = 20.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Raises DestinationInvalid for a URL or a secret that can never work.

        ``timeout_seconds`` bounds a whole attempt: connecting, sending and the answer.
        ``wall`` gives the seconds since the epoch that go into ``webhook-timestamp``.
        """
        self._url = _parse_url(stream)
        self._signer = _signer(stream)
        self._timeout_seconds = timeout_seconds
        self._connect_seconds = timeout_seconds / 2
        self._wall = wall
        self._pool = httpx2.AsyncHTTPTransport(
            trust_env=False,
            limits=httpx2.Limits(
                max_connections=CONNECTIONS,
                max_keepalive_connections=CONNECTIONS,
                keepalive_expiry=IDLE_CONNECTION_SECONDS,
            ),
        )

    async def deliver(self, delivery: Delivery) -> SinkAnswer:
        """POST the event's JSON once; the event id goes with it, the same over retries."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._post(self._request(delivery))
        except TimeoutError:
            return _try_later(f"no answer within {self._timeout_seconds:g} seconds")
        except httpx2.ConnectTimeout:
            return _try_later(f"no connection within {self._connect_seconds:g} seconds")
        except httpx2.TransportError as error:
            return _try_later(_phrase(error))

    async def close(self) -> None:
        """Close idle connections; safe to repeat."""
        await self._pool.aclose()

    def _request(self, delivery: Delivery) -> httpx2.Request:
        sent_at = datetime.fromtimestamp(int(self._wall()), UTC)
        headers = {
            "content-type": "application/json",
            "accept-encoding": "identity",
            "user-agent": f"trunkpulse/{__version__}",
            "webhook-id": delivery.event_id,
            "webhook-timestamp": str(int(sent_at.timestamp())),
        }
        if self._signer is not None:
            headers["webhook-signature"] = self._signer.sign(
                delivery.event_id, sent_at, delivery.body
            )
        return httpx2.Request(
            "POST",
            self._url,
            headers=headers,
            content=delivery.body.encode(),
            # The pool closes a TLS handshake that it gives up itself, not one that is cancelled.
            extensions={"timeout": {"connect": self._connect_seconds}},
        )

    async def _post(self, request: httpx2.Request) -> SinkAnswer:
        response = await self._pool.handle_async_request(request)
        try:
            excerpt = await _excerpt(response)
        finally:
            await response.aclose()
        status = response.status_code
        if 200 <= status < 300:
            return SinkAnswer(outcome=DeliveryOutcome.ACCEPTED, detail=_status_phrase(status))
        detail = ": ".join(part for part in (_status_phrase(status), excerpt) if part)
        if status == HTTPStatus.GONE:
            return SinkAnswer(outcome=DeliveryOutcome.REFUSED, detail=detail)
        retry_after = response.headers.get("retry-after", "")
        return _try_later(detail, retry_after_seconds(retry_after, self._wall()))


def _parse_url(stream: EventStream) -> httpx2.URL:
    # Whatever is wrong with it, the URL is not repeated: its query may hold a token.
    where = f"The destination of event stream {stream.id!r}"
    try:
        url = httpx2.URL(stream.destination.url)
    except httpx2.InvalidURL:
        url = httpx2.URL()
    # A character that cannot be in a host name comes back percent-encoded.
    if url.scheme not in {"http", "https"} or not url.host or "%" in url.host:
        raise DestinationInvalid(
            f"{where} needs an http or https url; write it like https://example.com/hook."
        )
    return url


def _signer(stream: EventStream) -> Webhook | None:
    secret = stream.destination.secret
    if secret is None:
        return None
    try:
        key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise DestinationInvalid(
            f"The secret of event stream {stream.id!r} is not base64; "
            f"write {_SECRET_PREFIX} and then 24 to 64 random bytes in base64."
        )
    return Webhook(key)


def _try_later(detail: str, retry_after_seconds: float | None = None) -> SinkAnswer:
    return SinkAnswer(
        outcome=DeliveryOutcome.TRY_LATER,
        detail=detail,
        retry_after_seconds=retry_after_seconds,
    )


async def _excerpt(response: httpx2.Response) -> str:
    """The beginning of the body as one printable line; empty if it cannot be read."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS), aclosing(response.aiter_raw()) as chunks:
            async for chunk in chunks:
                body += chunk[: BODY_LIMIT_BYTES - len(body)]
                if len(body) >= BODY_LIMIT_BYTES:
                    break
    except (TimeoutError, httpx2.TransportError):
        pass  # what came is enough: the status has been received
    text = body.decode(errors="replace")
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= EXCERPT_CHARACTERS else f"{line[: EXCERPT_CHARACTERS - 1]}…"


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


def _phrase(error: httpx2.TransportError) -> str:
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
