"""The file's entries as the documents of the API: in camelCase, and with secrets as they are.

What may stand in a document is what may stand in the file: the models are the same, and so is
what they say, in the words of JSON. A change is a JSON Merge Patch (RFC 7396).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trunkpulse.config.report import Location, Report
from trunkpulse.config.schema import Section
from trunkpulse.config.secrets import Secrets
from trunkpulse.config.wording import key_path

__all__ = [
    "DocumentFindings",
    "DocumentRefused",
    "GivenSecrets",
    "Json",
    "Tables",
    "camel_case",
    "check_sizes",
    "check_taken_away",
    "in_words_of_json",
    "merged",
    "raw_of",
]

LONGEST_SECRET_CHARACTERS = 16 * 1024
MOST_FOUND = 100
"""Problems of one document that are told: each takes time, and a document may have thousands."""

MOST_MEMBERS = 64
"""Of each list and object of which nothing else is said; the longest are the targets of a trunk."""
MOST_OF_ELEMENT = 8
"""Of an element of a list: a trunk of a route has three members."""

SHOWN_ONLY = frozenset({"delivery", "managedBy", "trouble", "withheld"})
"""What answers have, often as null, and no document says: whoever sends back what they read sends
these too."""

Json = Mapping[str, object]

Tables = Mapping[str, "Tables"]
"""Members that are objects with members of fixed names, and those within them."""

_DEPTH = 3
"""How deep a document goes: ``destination.headers.NAME``."""
_CAPITAL = re.compile(r"[A-Z]")
_AFTER_UNDERSCORE = re.compile(r"_([a-z0-9])")
_FILE_NAME = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
_POINTER = '"env:NAME" or "file:PATH"'


class DocumentRefused(ValueError):
    """A document cannot be used; ``problems`` are (member, sentence) and hold no secret."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__(" ".join(sentence for _, sentence in problems))
        self.problems = problems


def camel_case(name: str) -> str:
    """``event_types`` as ``eventTypes``."""
    return _AFTER_UNDERSCORE.sub(lambda found: found[1].upper(), name)


def snake_case(name: str) -> str:
    """``eventTypes`` as ``event_types``."""
    return _CAPITAL.sub(lambda found: f"_{found[0].lower()}", name)


def in_words_of_json(sentence: str) -> str:
    """``sentence`` in the words of JSON instead of the file's; what is quoted stays as it is."""
    parts = sentence.split('"')
    parts[::2] = [
        _FILE_NAME.sub(lambda name: camel_case(name[0]), part).replace("a table", "an object")
        for part in parts[::2]
    ]
    return '"'.join(parts)


def merged(target: Json, patch: Json, depth: int = _DEPTH) -> dict[str, object]:
    """RFC 7396 2, as deep as a document goes."""
    result = dict(target)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif depth > 1 and isinstance(value, Mapping):
            inner = result.get(name)
            result[name] = merged(inner if isinstance(inner, Mapping) else {}, value, depth - 1)
        else:
            result[name] = value
    return result


@dataclass(frozen=True, slots=True)
class GivenSecrets(Secrets):
    """Secrets that stand where the file has a pointer; nothing is looked up for a client."""

    def resolve(self, pointer: str) -> str:
        """``pointer`` itself, without white space around."""
        secret = pointer.strip()
        if not secret or len(secret) > LONGEST_SECRET_CHARACTERS:
            raise ValueError(f"must be a text of 1 to {LONGEST_SECRET_CHARACTERS:,} characters")
        return secret


class AsGiven(str):
    """A name that no member has, to be repeated as it came."""

    __slots__ = ()


class DocumentFindings(Report):
    """The same report, of a document."""

    def __init__(self, document: Json, schema: type[Section]) -> None:
        super().__init__("", document, schema)
        self.found: list[tuple[str, str]] = []

    def add(self, location: Location, predicate: str) -> None:
        """As in the file, but in the words of JSON; beyond `MOST_FOUND` nothing is added."""
        if len(self.found) >= MOST_FOUND:
            return
        member = key_path(
            tuple(
                part if isinstance(part, int | AsGiven) else camel_case(part) for part in location
            )
        )
        self.found.append((member, f"{member} {in_words_of_json(predicate)}."))

    def spelt(self, key: str) -> str:
        """As a document names what is ``key`` in the file."""
        return camel_case(key)

    def add_unknown(self, location: Location) -> None:
        """There is no such member."""
        self._add_unknown(location)

    def check_taken_away(self, patch: Json, path: tuple[str, ...] = ()) -> None:
        """What ``patch`` takes away at ``path`` must be something that a document can say."""
        section = self._sections.get(path)
        if section is None:  # names there are anybody's own, such as those of headers
            return
        keys = section.by_key()
        for name, value in patch.items():
            key = snake_case(name)
            if isinstance(value, Mapping):
                self.check_taken_away(value, (*path, key))
            elif value is None and ("_" in name or key not in keys) and name not in SHOWN_ONLY:
                self.add_unknown((*path, AsGiven(name)))

    def add_size(self, location: Location, most: int) -> None:
        """There are more than ``most`` in the list or object there."""
        if len(self.found) < MOST_FOUND:
            member = key_path(location)
            sentence = f"{member or 'The document'} must hold at most {most:,} of them."
            self.found.append((member, sentence))

    def _add_unknown(self, location: Location) -> None:
        if len(self.found) < MOST_FOUND:  # what it may have been meant to be is looked for
            super()._add_unknown(location)

    def _allowed(self, location: Location) -> tuple[str, bool]:
        phrase, secret = super()._allowed(location)
        return phrase.replace(_POINTER, "a text"), secret


def check_taken_away(patch: Json, schema: type[Section]) -> None:
    """Raises DocumentRefused if ``patch`` takes away what there is not: a name mistyped.

    By itself a merge patch passes over that, and whoever sent it takes it for done.
    """
    findings = DocumentFindings(patch, schema)
    findings.check_taken_away(patch)
    if findings.found:
        raise DocumentRefused(findings.found)


def raw_of(
    document: Json, tables: Tables, findings: DocumentFindings, path: tuple[str, ...] = ()
) -> dict[str, object]:
    """``document`` with the names of the file; names that are not camelCase are findings."""
    found: dict[str, object] = {}
    for name, value in document.items():
        inner = tables.get(name)
        if "_" in name:
            findings.add_unknown((*path, AsGiven(name)))
        elif inner is not None and isinstance(value, Mapping):
            found[name] = raw_of(value, inner, findings, (*path, name))
        else:
            found[snake_case(name)] = value
    return found


def check_sizes(
    value: object, findings: DocumentFindings, most: Mapping[str, int], path: Location = ()
) -> None:
    """What holds too much is a finding, before anything in it is looked at; call it first.

    Each mistake that is found takes time, so a document is bounded before its values are read: its
    own members by ``most``, elements of lists by `MOST_OF_ELEMENT`, the rest by `MOST_MEMBERS`.
    """
    if not isinstance(value, Mapping | list):
        return
    allowed = MOST_MEMBERS
    if path and isinstance(path[-1], int):
        allowed = MOST_OF_ELEMENT
    elif len(path) == 1:
        allowed = most.get(str(path[0]), MOST_MEMBERS)
    if len(value) > allowed:
        findings.add_size(path, allowed)
        return
    parts: Iterable[tuple[str | int, object]]
    parts = value.items() if isinstance(value, Mapping) else enumerate(value)
    for part, inner in parts:
        check_sizes(inner, findings, most, (*path, part))
