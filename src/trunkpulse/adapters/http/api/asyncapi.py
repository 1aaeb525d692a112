"""``/api/v2/asyncapi.json``: where events go, described in AsyncAPI 3.0 for programs.

There are three kinds of channels: webhooks, queues and the live feed. Each carries the same
payloads, those of the event catalogue, and has headers of its own.
"""

from __future__ import annotations

import json
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from trunkpulse.adapters.http.api.admission import AdmittedRoute, public
from trunkpulse.adapters.http.api.context import Context
from trunkpulse.adapters.http.api.feed import FEED_ENDED, FeedEnd
from trunkpulse.events.catalogue import CATALOGUE, RULES, EventSchema

__all__ = ["asyncapi_document", "router"]

router = APIRouter(route_class=AdmittedRoute, prefix="/api/v2", tags=["events"])

MEDIA_TYPE: Final = "application/vnd.aai.asyncapi+json;version=3.0.0"

Document = dict[str, Any]

_LIVE_PATH = "/api/v2/events/live"


def _text(description: str) -> Document:
    return {"type": "string", "description": description}


_HEADERS: dict[str, Document] = {
    "webhook": {
        "type": "object",
        "description": "Of the request (Standard Webhooks 1.0).",
        "properties": {
            "webhook-id": _text("The eventId: the same over all retries."),
            "webhook-timestamp": _text("When this attempt was made, in seconds since the epoch."),
            "webhook-signature": _text(
                "v1, and the HMAC-SHA256 of id, timestamp and body in base64; several, with spaces"
                " between, while the secret is being replaced. Absent without a secret."
            ),
        },
        "required": ["webhook-id", "webhook-timestamp"],
    },
    "queue": {
        "type": "object",
        "description": "CloudEvents 1.0 attributes, in binary mode, as the transport writes them:"
        " ce_id with Kafka, cloudEvents:id with AMQP, ce-id with NATS, and the field id of an entry"
        " with Redis Streams.",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": _text("The eventId: the same over all retries."),
            "source": _text("/trunkpulse/ and the instance's id."),
            "type": _text("The eventType."),
            "subject": _text("The entityId."),
            "time": _text("The timestamp (RFC 3339)."),
            "datacontenttype": {"const": "application/json"},
        },
        "required": ["specversion", "id", "source", "type"],
    },
    "live": {
        "type": "object",
        "description": "Fields of the server-sent event.",
        "properties": {
            "id": _text("The position in the log, to come back with as Last-Event-ID."),
            "event": _text("The eventType."),
        },
        "required": ["id", "event"],
    },
}
"""By channel, what comes beside the payload."""

_CHANNELS: dict[str, Document] = {
    "webhook": {
        "address": None,
        "title": "Webhooks",
        "description": "A POST to the url of each stream whose destination is a webhook. A stream"
        " gets the events of each trunk in order, at least once.",
    },
    "queue": {
        "address": None,
        "title": "Queues",
        "description": "A message to the queue, topic, subject or key that the stream names, over"
        " AMQP 0-9-1, Kafka, NATS JetStream or Redis Streams; in order for each trunk, at least"
        " once.",
    },
    "live": {
        "address": _LIVE_PATH,
        "title": "Live events",
        "description": "Server-sent events, every one of the log or those that a filter takes."
        " A reader that connects again with Last-Event-ID misses none.",
        "servers": [{"$ref": "#/servers/instance"}],
    },
}
_OPERATIONS: dict[str, Document] = {
    "webhook": {"bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}}},
    "queue": {},
    "live": {"bindings": {"http": {"method": "GET", "bindingVersion": "0.3.0"}}},
}
_ENDED = "feedEnded"


def asyncapi_document(*, version: str, host: str) -> Document:
    """The document of an instance of this ``version``, which its reader reached at ``host``."""
    messages: Document = {_ENDED: _feed_ended()}
    channels: Document = {}
    operations: Document = {}
    for channel, about in _CHANNELS.items():
        names = {_name(channel, each): each for each in CATALOGUE.values()}
        messages |= {name: _message(channel, each) for name, each in names.items()}
        carried = [*names, _ENDED] if channel == "live" else [*names]
        channels[channel] = {
            **about,
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in carried},
        }
        operations[channel] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in carried],
            **_OPERATIONS[channel],
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "trunkpulse",
            "version": version,
            "description": f"The events of trunkpulse. {RULES}",
        },
        "defaultContentType": "application/json",
        "servers": {"instance": {"host": host, "protocol": "http"}},
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": {str(each.event_type): _payload(each) for each in CATALOGUE.values()},
        },
    }


@router.get(
    "/asyncapi.json",
    dependencies=[public()],
    response_class=Response,
    responses={200: {"description": "An AsyncAPI document.", "content": {MEDIA_TYPE: {}}}},
)
async def get_asyncapi(context: Context, request: Request) -> Response:
    """The AsyncAPI 3.0 document: webhooks, queues and the live feed, with every payload."""
    # The guard has seen to it that this names us.
    document = asyncapi_document(version=context.version, host=request.headers["host"])
    return Response(json.dumps(document), media_type=MEDIA_TYPE)


def _name(channel: str, event: EventSchema) -> str:
    """As ``webhookStateChange``; no dots, which many generators take badly."""
    word = event.event_type.rpartition(".")[2]
    subject = event.event_type.split(".")[1].capitalize()
    return f"{channel}{subject}{word[0].upper()}{word[1:]}"


def _message(channel: str, event: EventSchema) -> Document:
    return {
        "name": str(event.event_type),
        "title": event.title,
        "summary": event.description,
        "contentType": "application/json",
        "headers": _HEADERS[channel],
        "payload": {"$ref": f"#/components/schemas/{event.event_type}"},
    }


def _feed_ended() -> Document:
    return {
        "name": FEED_ENDED,
        "title": "The stream ends",
        "summary": "The last message of a live stream that is ended from here.",
        "contentType": "application/json",
        "payload": {
            "type": "object",
            "properties": {
                "reason": {"type": "string", "enum": [each.value[0] for each in FeedEnd]},
                "detail": _text("One sentence for a person."),
            },
            "required": ["reason", "detail"],
        },
    }


def _payload(event: EventSchema) -> Document:
    # An AsyncAPI schema is one of its own dialect and has no place for these two.
    return {key: value for key, value in event.schema.items() if key not in ("$schema", "$id")}
