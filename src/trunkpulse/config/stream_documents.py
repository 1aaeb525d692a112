"""Event streams as the documents of the API: in camelCase, and with secrets as they are.

What may stand in a document is what may stand in the file: the models are the same, and so is
what they say. A change is a JSON Merge Patch (RFC 7396) of the document of the stream as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from trunkpulse.config.checks import check_destination
from trunkpulse.config.destinations import KINDS
from trunkpulse.config.json_documents import (
    DocumentFindings,
    DocumentRefused,
    GivenSecrets,
    Json,
    Tables,
    camel_case,
    check_sizes,
    check_taken_away,
    in_words_of_json,
    merged,
    raw_of,
)
from trunkpulse.config.loading import stream_from
from trunkpulse.config.schema import StreamEntry
from trunkpulse.config.wording import shown
from trunkpulse.model import Destination, EventStream

__all__ = ["DocumentRefused", "camel_case", "changed_stream", "in_words_of_json", "new_stream"]

MOST_VALUES = dict.fromkeys(("trunks", "carriers", "regions"), 1000)
"""Of one filter: each is looked through for each change that it may take."""

_TABLES: Tables = {"destination": {}, "alerts": {}}
_GUARDS = ("tls", "sasl_mechanism")
"""Options that say how a secret is guarded on its way."""


def new_stream(document: Json, *, is_trunk: Callable[[str], bool]) -> EventStream:
    """The stream that ``document`` describes; raises DocumentRefused."""
    return _stream_of(merged({}, document), lambda trunk_id: not is_trunk(trunk_id))


def changed_stream(
    stream: EventStream, patch: Json, *, is_trunk: Callable[[str], bool]
) -> EventStream:
    """``stream`` as ``patch`` changes it; raises DocumentRefused.

    A trunk that it names already may be gone by now. What was entrusted to one place is not
    taken to another: who may change where events go need not know the secrets.
    """
    if patch.get("id", stream.id) != stream.id:
        raise DocumentRefused([("id", "id cannot be changed; make another stream instead.")])
    check_taken_away(patch, StreamEntry)
    destination = patch.get("destination")
    given = destination if isinstance(destination, Mapping) else {}
    document = _document_of(stream)
    if given.get("type", stream.destination.type) != stream.destination.type:
        # What was said of a destination of one type means nothing to another.
        del document["destination"]
        document.pop("alerts", None)
    changed = _stream_of(
        merged(document, patch),
        lambda trunk_id: trunk_id not in stream.trunks and not is_trunk(trunk_id),
    )
    elsewhere = _place(changed.destination) != _place(stream.destination)
    if elsewhere and changed.destination.type == stream.destination.type:
        _check_given_again(stream.destination, changed.destination, given)
    return changed


def _stream_of(document: Json, is_unknown: Callable[[str], bool]) -> EventStream:
    findings = DocumentFindings(document, StreamEntry)
    check_sizes(document, findings, MOST_VALUES)
    if findings.found:
        raise DocumentRefused(findings.found)
    raw = raw_of(document, _TABLES, findings)
    try:
        entry = StreamEntry.model_validate(raw, context=GivenSecrets(Path(), {}))
    except ValidationError as error:
        findings.add_all(error)
        raise DocumentRefused(findings.found) from None
    check_destination(entry, (), findings)
    for place, trunk_id in enumerate(entry.trunks):
        if is_unknown(trunk_id):
            sentence = f"must be the id of a trunk, but there is no trunk {shown(trunk_id)}"
            findings.add(("trunks", place), sentence)
    if findings.found:
        raise DocumentRefused(findings.found)
    stream = stream_from(entry, None)
    try:
        json.dumps(asdict(stream), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        sentence = "The document holds half a surrogate pair, which is no text; correct it."
        raise DocumentRefused([("", sentence)]) from None
    return stream


def _document_of(stream: EventStream) -> dict[str, object]:
    """All that can be said of a stream, secrets included: what a patch is applied to."""
    fields = asdict(stream)
    del fields["managed_by"]
    destination = fields.pop("destination")
    alerts = fields.pop("alerts")
    document: dict[str, object] = {
        camel_case(name): list(value) if isinstance(value, tuple) else value
        for name, value in fields.items()
    }
    options = dict(destination.pop("options"))
    parts = {**destination, **options, "headers": dict(destination["headers"])}
    document["destination"] = {
        camel_case(name): value for name, value in parts.items() if value not in (None, "", {})
    }
    if alerts is None and KINDS[stream.destination.type].alerts:
        document["alerts"] = False
    elif alerts is not None:
        document["alerts"] = {
            camel_case(name): list(value) if isinstance(value, tuple) else value
            for name, value in alerts.items()
        }
    return document


def _place(destination: Destination) -> tuple[object, ...]:
    """Whom a secret of this destination was meant for, and how it was to get there."""
    parts = urlsplit(destination.url)
    options = dict(destination.options)
    return parts.scheme, parts.netloc.lower(), *map(options.get, _GUARDS)


def _check_given_again(before: Destination, after: Destination, given: Json) -> None:
    """What is still there after a move has to have come with it, each header by its name."""
    headers = given.get("headers")
    named = headers if isinstance(headers, Mapping) else {}
    kept_headers = {name for name, _ in before.headers if name not in named} & {
        name for name, _ in after.headers
    }
    problems = [
        (
            f"destination.{name}",
            f"destination.{name} must be given again, or null: where events go, or how, changes.",
        )
        for name, held in (
            ("secret", before.secret and "secret" not in given),
            ("previousSecret", before.previous_secret and "previousSecret" not in given),
            *((f"headers.{name}", True) for name in sorted(kept_headers)),
        )
        if held
    ]
    if problems:
        raise DocumentRefused(problems)
