"""Event streams as the documents of the API: in camelCase, and with secrets as they are.

What may stand in a document is what may stand in the file: the models are the same, and so is
what they say. A change is a JSON Merge Patch (RFC 7396) of the document of the stream as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from trunkpulse.config.checks import check_destination
from trunkpulse.config.destinations import KINDS
from trunkpulse.config.loading import stream_from
from trunkpulse.config.report import Location, Report
from trunkpulse.config.schema import StreamEntry
from trunkpulse.config.secrets import Secrets
from trunkpulse.config.wording import key_path, shown
from trunkpulse.model import Destination, EventStream

__all__ = ["DocumentRefused", "camel_case", "changed_stream", "in_words_of_json", "new_stream"]

LONGEST_SECRET_CHARACTERS = 16 * 1024
MOST_VALUES = 1000
"""Of one filter: each is looked through for each change that it may take."""

_TABLES = ("destination", "alerts")
"""Members that are objects, with members of fixed names."""
_GUARDS = ("tls", "sasl_mechanism")
"""Options that say how a secret is guarded on its way."""
_DEPTH = 3
"""How deep a document goes: ``destination.headers.NAME``."""
_CAPITAL = re.compile(r"[A-Z]")
_AFTER_UNDERSCORE = re.compile(r"_([a-z0-9])")
_FILE_NAME = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
_POINTER = '"env:NAME" or "file:PATH"'

Json = Mapping[str, object]


class DocumentRefused(ValueError):
    """A document describes no stream; ``problems`` are (member, sentence) and hold no secret."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__(" ".join(sentence for _, sentence in problems))
        self.problems = problems


def new_stream(document: Json, *, is_trunk: Callable[[str], bool]) -> EventStream:
    """The stream that ``document`` describes; raises DocumentRefused."""
    return _stream_of(_merged({}, document), lambda trunk_id: not is_trunk(trunk_id))


def changed_stream(
    stream: EventStream, patch: Json, *, is_trunk: Callable[[str], bool]
) -> EventStream:
    """``stream`` as ``patch`` changes it; raises DocumentRefused.

    A trunk that it names already may be gone by now. What was entrusted to one place is not
    taken to another: who may change where events go need not know the secrets.
    """
    if patch.get("id", stream.id) != stream.id:
        raise DocumentRefused([("id", "id cannot be changed; make another stream instead.")])
    destination = patch.get("destination")
    given = destination if isinstance(destination, Mapping) else {}
    document = _document_of(stream)
    if given.get("type", stream.destination.type) != stream.destination.type:
        # What was said of a destination of one type means nothing to another.
        del document["destination"]
        document.pop("alerts", None)
    changed = _stream_of(
        _merged(document, patch),
        lambda trunk_id: trunk_id not in stream.trunks and not is_trunk(trunk_id),
    )
    elsewhere = _place(changed.destination) != _place(stream.destination)
    if elsewhere and changed.destination.type == stream.destination.type:
        _check_given_again(stream.destination, changed.destination, given)
    return changed


def camel_case(name: str) -> str:
    """``event_types`` as ``eventTypes``."""
    return _AFTER_UNDERSCORE.sub(lambda found: found[1].upper(), name)


def in_words_of_json(sentence: str) -> str:
    """``sentence`` in the words of JSON instead of the file's; what is quoted stays as it is."""
    parts = sentence.split('"')
    parts[::2] = [
        _FILE_NAME.sub(lambda name: camel_case(name[0]), part).replace("a table", "an object")
        for part in parts[::2]
    ]
    return '"'.join(parts)


def _snake_case(name: str) -> str:
    return _CAPITAL.sub(lambda found: f"_{found[0].lower()}", name)


@dataclass(frozen=True, slots=True)
class _GivenSecrets(Secrets):
    """Secrets that stand where the file has a pointer; nothing is looked up for a client."""

    def resolve(self, pointer: str) -> str:
        """``pointer`` itself, without white space around."""
        secret = pointer.strip()
        if not secret or len(secret) > LONGEST_SECRET_CHARACTERS:
            raise ValueError(f"must be a text of 1 to {LONGEST_SECRET_CHARACTERS:,} characters")
        return secret


class _AsGiven(str):
    """A name that no member has, to be repeated as it came."""

    __slots__ = ()


class _Findings(Report):
    """The same report, of a document."""

    def __init__(self, document: Json) -> None:
        super().__init__("", document, StreamEntry)
        self.found: list[tuple[str, str]] = []

    def add(self, location: Location, predicate: str) -> None:
        """As in the file, but in the words of JSON."""
        member = key_path(
            tuple(
                part if isinstance(part, int | _AsGiven) else camel_case(part) for part in location
            )
        )
        self.found.append((member, f"{member} {in_words_of_json(predicate)}."))

    def spelt(self, key: str) -> str:
        """As a document names what is ``key`` in the file."""
        return camel_case(key)

    def add_unknown(self, location: Location) -> None:
        """There is no such member."""
        self._add_unknown(location)

    def _allowed(self, location: Location) -> tuple[str, bool]:
        phrase, secret = super()._allowed(location)
        return phrase.replace(_POINTER, "a text"), secret


def _stream_of(document: Json, is_unknown: Callable[[str], bool]) -> EventStream:
    findings = _Findings(document)
    raw = _raw_of(document, findings)
    try:
        entry = StreamEntry.model_validate(raw, context=_GivenSecrets(Path(), {}))
    except ValidationError as error:
        findings.add_all(error)
        raise DocumentRefused(findings.found) from None
    check_destination(entry, (), findings)
    for name in ("trunks", "carriers", "regions"):
        if len(getattr(entry, name)) > MOST_VALUES:
            findings.add((name,), f"must hold at most {MOST_VALUES:,} of them")
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


def _raw_of(document: Json, findings: _Findings) -> dict[str, object]:
    """``document`` with the names of the file; names that are not camelCase are findings."""

    def renamed(members: Json, path: tuple[str, ...]) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, value in members.items():
            if "_" in name:
                findings.add_unknown((*path, _AsGiven(name)))
            elif not path and name in _TABLES and isinstance(value, Mapping):
                found[name] = renamed(value, (name,))
            else:
                found[_snake_case(name)] = value
        return found

    return renamed(document, ())


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


def _merged(target: Json, patch: Json, depth: int = _DEPTH) -> dict[str, object]:
    """RFC 7396 2, as deep as a document goes."""
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif depth > 1 and isinstance(value, Mapping):
            inner = merged.get(name)
            merged[name] = _merged(inner if isinstance(inner, Mapping) else {}, value, depth - 1)
        else:
            merged[name] = value
    return merged


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
