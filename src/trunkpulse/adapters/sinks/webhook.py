"""Events by HTTP POST, as Standard Webhooks 1.0 asks for it.

Anything but 2xx is worth another try, a redirect too, except 410 Gone, by which a receiver says
that it is no longer one.

While a secret is being replaced there are two, and each delivery is signed with both: a receiver
that knows either takes it, so the two sides need not change at the same moment.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

from standardwebhooks import Webhook

from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks.exchange import HttpExchange, NoReply, http_url, query_secrets
from trunkpulse.model import EventStream
from trunkpulse.ports import Delivery, DeliveryOutcome, DestinationInvalid, SinkAnswer

__all__ = ["WebhookSink"]

_SECRET_PREFIX = "whsec_"  # noqa: S105 - the scheme's public prefix, not a secret


class WebhookSink:
    """Delivers to one URL, signed if the destination has a secret."""

    def __init__(
        self,
        stream: EventStream,
        outside: Outside,
        *,
        timeout_seconds: float = 20.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Raises DestinationInvalid for a URL or a secret that can never work.

        ``timeout_seconds`` bounds an attempt: connecting, sending and the answer up to its body.
        ``wall`` gives the seconds since the epoch that go into ``webhook-timestamp``.
        """
        destination = stream.destination
        self._url = http_url(stream, "https://example.com/hook")
        self._signers = _signers(stream)
        self._headers = dict(destination.headers)
        self._wall = wall
        self._exchange = HttpExchange(
            outside.transport(trusted=stream.managed_by is not None),
            timeout_seconds=timeout_seconds,
            wall=wall,
            secrets=(
                *_spellings(destination.secret),
                *_spellings(destination.previous_secret),
                *self._headers.values(),
                *query_secrets(self._url),
            ),
        )

    async def deliver(self, delivery: Delivery) -> SinkAnswer:
        """POST the event's JSON once; the event id goes with it, the same over retries."""
        sent_at = datetime.fromtimestamp(int(self._wall()), UTC)
        signatures = " ".join(
            signer.sign(delivery.event_id, sent_at, delivery.body) for signer in self._signers
        )
        hidden = dict(self._headers)
        if signatures:
            hidden["webhook-signature"] = signatures
        try:
            reply = await self._exchange.send(
                "POST",
                self._url,
                headers={
                    "content-type": "application/json",
                    "webhook-id": delivery.event_id,
                    "webhook-timestamp": str(int(sent_at.timestamp())),
                },
                hidden=hidden,
                body=delivery.body,
            )
        except NoReply as problem:
            return problem.answer()
        if reply.is_success:
            return reply.answer(DeliveryOutcome.ACCEPTED)
        if reply.status == HTTPStatus.GONE:
            return reply.answer(DeliveryOutcome.GONE)
        return reply.answer(DeliveryOutcome.TRY_LATER)

    async def close(self) -> None:
        """Close idle connections; safe to repeat."""
        await self._exchange.close()


def _spellings(secret: str | None) -> tuple[str, ...]:
    """As it is written, and without what all of them begin with."""
    return () if secret is None else (secret, secret.removeprefix(_SECRET_PREFIX))


def _signers(stream: EventStream) -> tuple[Webhook, ...]:
    """The newer key first; none if nothing is signed."""
    secrets = (stream.destination.secret, stream.destination.previous_secret)
    return tuple(_signer(secret, stream.id) for secret in secrets if secret is not None)


def _signer(secret: str, stream_id: str) -> Webhook:
    try:
        key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise DestinationInvalid(
            f"The secret of event stream {stream_id!r} is not base64; "
            f"write {_SECRET_PREFIX} and then 24 to 64 random bytes in base64."
        )
    return Webhook(key)
