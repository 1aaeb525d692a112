"""What is wrong with a document, in sentences: file, key, whose it is, and what is allowed."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from trunkpulse.config.schema import Allowed, Document, Section
from trunkpulse.config.wording import did_you_mean, key_path, shown

__all__ = ["Location", "Report"]

Location = tuple[str | int, ...]
"""Where in the document: keys, and positions within lists."""

_KINDS = {
    "trunks": "trunk",
    "routes": "route",
    "event_streams": "event stream",
    "maintenance": "maintenance window",
}


def _sections(annotation: object) -> Iterator[type[Section]]:
    """The sections within an annotation such as ``tuple[TrunkEntry, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    elif get_origin(annotation) in {tuple, Union, UnionType, Annotated}:
        for argument in get_args(annotation):
            yield from _sections(argument)


def _walk(
    section: type[Section], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], type[Section]]]:
    yield path, section
    for name, field in section.by_key().items():
        for inner in _sections(field.annotation):
            yield from _walk(inner, (*path, name))


@functools.cache
def _sections_of(document: type[Section]) -> dict[tuple[str, ...], type[Section]]:
    """Path of keys, without positions in lists -> the section there."""
    return dict(_walk(document, ()))


class Report:
    """Collects the problems of one document."""

    def __init__(
        self, file: str, document: Mapping[str, object], schema: type[Section] = Document
    ) -> None:
        self.problems: list[str] = []
        self._file = file
        self._document = document
        self._sections = _sections_of(schema)

    def add(self, location: Location, predicate: str) -> None:
        """``predicate`` follows the key: "must be …", without a full stop."""
        self.problems.append(
            f"{self._file}: {key_path(location)}{self._owner(location)} {predicate}."
        )

    def spelt(self, key: str) -> str:
        """How the document names what is ``key`` in the schema."""
        return key

    def add_all(self, error: ValidationError) -> None:
        """Every finding of pydantic."""
        for finding in error.errors(include_url=False, include_input=True):
            location = finding["loc"]
            reason = finding.get("ctx", {}).get("error")
            match finding["type"]:
                case "too_short" if len(finding["input"]) >= finding["ctx"]["min_length"]:
                    # Pydantic counts sound elements only; the faulty ones are findings already.
                    pass
                case "extra_forbidden":
                    self._add_unknown(location)
                case "value_error" if isinstance(reason, ValueError):
                    self.add(location, str(reason))
                case "missing":
                    allowed, _ = self._allowed(location)
                    self.add(location, f"is missing; it must be {allowed}")
                case _:
                    allowed, secret = self._allowed(location)
                    value = "" if secret else f", not {shown(finding['input'])}"
                    self.add(location, f"must be {allowed}{value}")

    def _add_unknown(self, location: Location) -> None:
        key = str(location[-1])
        section = self._sections[_keys(location)[:-1]]
        known = list(section.by_key())
        near = did_you_mean(key, known)
        hint = f" (did you mean {self.spelt(near)}?)" if near else ""
        allowed = ", ".join(map(self.spelt, known))
        self.add(location, f"is not a known key{hint}; allowed here: {allowed}")

    def _owner(self, location: Location) -> str:
        """`` (trunk "carrier-a")`` for a place within an entry that has an id."""
        match location:
            case (str(section), int(position), *_) if section in _KINDS:
                entries = self._document.get(section)
            case _:
                return ""
        entry = entries[position] if isinstance(entries, list) else None
        name = entry.get("id") if isinstance(entry, dict) else None
        return f" ({_KINDS[section]} {shown(name)})" if isinstance(name, str) else ""

    def _allowed(self, location: Location) -> tuple[str, bool]:
        """What may stand at ``location``, and whether it may be a secret."""
        keys = _keys(location)
        field: FieldInfo = self._sections[keys[:-1]].by_key()[keys[-1]]
        allowed = next(item for item in field.metadata if isinstance(item, Allowed))
        phrase = allowed.each if isinstance(location[-1], int) else allowed.phrase
        return phrase, allowed.secret


def _keys(location: Sequence[str | int]) -> tuple[str, ...]:
    return tuple(part for part in location if isinstance(part, str))
