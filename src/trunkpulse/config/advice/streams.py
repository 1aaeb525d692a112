"""Advice on event streams: where they go, and whether anything goes there."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from trunkpulse.config.advice.item import Advice, is_loopback
from trunkpulse.config.advice.labels import unknown_labels
from trunkpulse.config.settings import Config
from trunkpulse.config.wording import shown
from trunkpulse.model import EventStream

__all__ = ["on_stream"]

_IN_THE_CLEAR = {"http": "https", "amqp": "amqps", "nats": "natss", "redis": "rediss"}
"""Schemes that leave what is sent readable, and those that do not."""


def on_stream(stream: EventStream, config: Config) -> Iterator[Advice]:
    where = f"event stream {shown(stream.id)}"
    yield from _on_filters(stream, config, where)
    if stream.alerts is not None and "*" in stream.reason_codes:
        yield Advice(
            "alerts_every_reason",
            "info",
            where,
            "it alerts people of every reason, so also of what an administrator does",
            'name the reasons that are trouble, such as "KEEPALIVE_FAILURE"',
        )
    destination = stream.destination
    url = urlsplit(destination.url)
    if is_loopback(url.hostname or ""):
        return
    if destination.type == "webhook":
        yield from _on_webhook(stream, where)
    elif url.scheme in _IN_THE_CLEAR:
        way = f"over {url.scheme}://"
        yield _unencrypted(stream, where, way, f"use an {_IN_THE_CLEAR[url.scheme]}:// URL")
    elif url.scheme == "kafka" and not destination.option("tls", False):
        fix = "set tls = true and use the broker's port for it"
        yield _unencrypted(stream, where, "without TLS", fix)


def _unencrypted(stream: EventStream, where: str, way: str, fix: str) -> Advice:
    """One thing at a time: with the credentials, the events are encrypted too."""
    if stream.destination.secret is not None:
        why = f"its credentials travel {way}, so anyone on the way can read them"
        return Advice("credentials_in_the_clear", "warning", where, why, fix)
    why = f"its events travel {way}, so anyone on the way can read and change them"
    return Advice("stream_unencrypted", "warning", where, why, fix)


def _on_webhook(stream: EventStream, where: str) -> Iterator[Advice]:
    if urlsplit(stream.destination.url).scheme == "http":
        yield Advice(
            "webhook_plain_http",
            "warning",
            where,
            "its events travel over plain http, so anyone on the way can read and change them",
            "use an https:// URL",
        )
    if stream.destination.secret is None:
        yield Advice(
            "webhook_unsigned",
            "warning",
            where,
            "it has no secret, so the receiver cannot tell our events from forged ones",
            'set secret to "env:NAME" or "file:PATH"',
        )


def _on_filters(stream: EventStream, config: Config, where: str) -> Iterator[Advice]:
    """Filters that no trunk of the file passes: most likely somebody mistyped."""
    for key, name in unknown_labels(config, stream.carriers, stream.regions):
        yield Advice(
            "stream_filter_unknown",
            "warning",
            where,
            f"its {key} name {name}, which no trunk has, so it is told nothing of such",
            "correct the name",
        )
