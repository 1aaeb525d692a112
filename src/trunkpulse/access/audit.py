"""The chain of the audit: what an entry is made of, and how one sees that none was touched.

    digest(n) = SHA-256( digest(n - 1) || record(n) )

A record is canonical JSON, in the manner of RFC 8785: sorted keys, no white space, one way to
write each value. All that is not ASCII is escaped, and so are control characters; so nothing that
somebody sends (a line break, an escape sequence, a mark that turns the direction of writing) makes
an entry look like another one, in whatever it is shown.

Whoever changes, drops or swaps an entry has to make all later digests anew. A chain alone does not
stop somebody who does that: it shows to whoever wrote one of the digests down elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

__all__ = [
    "SERVICE_ACTIONS",
    "START",
    "Act",
    "Actor",
    "Break",
    "Head",
    "Kept",
    "Outcome",
    "Verification",
    "canonical",
    "digest_of",
    "verify",
]

SERVICE_ACTIONS = frozenset(
    f"service.{name}"
    for name in (
        "audit_broken",
        "configuration_applied",
        "configuration_refused",
        "first_administrator_made",
        "keys_rotated",
        "license_in_effect",
        "refusals",
        "refusals_unrecorded",
        "signing_key_rotated",
        "started",
        "stopped",
    )
)
"""What the service records of itself."""
LONGEST_TEXT = 512
"""Of a name or a path that somebody sent; what is longer is cut."""
LONGEST_SHOWN = 16_384
"""Of an object before or after, as JSON; of a larger one the digest is kept instead."""
LONGEST_CHANGES = 131_072
"""Of all objects of one act together."""


class Outcome(StrEnum):
    """What became of an act."""

    DONE = "done"
    REFUSED = "refused"
    """Whoever asked may not, or had not proved who they are."""
    FAILED = "failed"
    """It was wrong in itself, or could not be done."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it."""

    kind: str
    """user, client, machine, nobody (has not proved anything) or service (this process, or the
    provider that people sign in by)."""
    id: str = ""
    name: str = ""
    claimed: str | None = None
    """Who somebody said to be without proving it."""


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """An object of an act; None: there was none before, or is none after."""

    kind: str
    id: str
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What is recorded."""

    action: str
    """The name of the operation, as the description of the API has it, or service.…"""
    actor: Actor
    outcome: Outcome
    address: str | None = None
    """Where it came from."""
    method: str | None = None
    path: str | None = None
    """Without the query, which may hold what is secret."""
    status: int | None = None
    kind: str | None = None
    """Of the object that it was about: trunk, stream, …"""
    id: str | None = None
    changes: tuple[ObjectChange, ...] = ()
    more_changes: int = 0
    """Those that are only counted."""
    count: int = 1
    """How many such requests this stands for."""
    details: Mapping[str, object] = field(default_factory=dict)

    def record(self, at_ms: int) -> str:
        """As it is kept; what is too long is cut."""
        about = {"kind": _cut(self.kind), "id": _cut(self.id)} if self.kind else None
        members: dict[str, object] = {
            "at": at_ms,
            "action": _cut(self.action),
            "actor": {
                "kind": self.actor.kind,
                "id": _cut(self.actor.id),
                "name": _cut(self.actor.name),
                "claimed": _cut(self.actor.claimed),
            },
            "outcome": self.outcome.value,
            "address": _cut(self.address),
            "method": _cut(self.method),
            "path": _cut(self.path),
            "status": self.status,
            "object": about,
            "count": self.count,
        }
        if self.changes:
            members["changes"] = self._changes()
        if self.more_changes:
            members["moreChanges"] = self.more_changes
        if self.details:
            members["details"] = _bounded(self.details)
        return canonical(members)

    def _changes(self) -> list[dict[str, object]]:
        room = LONGEST_CHANGES
        shown: list[dict[str, object]] = []
        for change in self.changes:
            before, after = _bounded(change.before, room), _bounded(change.after, room)
            one: dict[str, object] = {
                "kind": _cut(change.kind),
                "id": _cut(change.id),
                "before": before,
                "after": after,
            }
            room -= len(canonical(one))
            shown.append(one)
        return shown


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= LONGEST_TEXT:
        return text
    return text[: LONGEST_TEXT - 1] + "…"


def _bounded(
    shown: Mapping[str, object] | None, room: int = LONGEST_SHOWN
) -> Mapping[str, object] | None:
    if shown is None:
        return None
    text = canonical(shown)
    if len(text) <= min(LONGEST_SHOWN, max(room, 0)):
        return shown
    return {"tooLargeBytes": len(text), "sha256": hashlib.sha256(text.encode("ascii")).hexdigest()}


def canonical(value: Mapping[str, object]) -> str:
    """``value`` as canonical JSON in ASCII; raises ValueError for what is no JSON (NaN)."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def digest_of(previous: str, record: str) -> str:
    """What an entry is known by; ``previous`` has 64 digits always, so it ends where it ends."""
    return hashlib.sha256(f"{previous}{record}".encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends."""

    position: int
    digest: str


START = Head(0, "0" * 64)
"""Before the first entry."""


class Kept(Protocol):
    """An entry as it is kept (``ports.AuditEntry``)."""

    @property
    def position(self) -> int: ...
    @property
    def at_ms(self) -> int: ...
    @property
    def record(self) -> str: ...
    @property
    def previous(self) -> str: ...
    @property
    def digest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain is broken."""

    position: int
    """Of the first entry that is not as it was written."""
    problem: str
    """One clause for a person."""


class Verification:
    """Goes through a chain, entry by entry."""

    def __init__(self, head: Head | None = START) -> None:
        """Begin after ``head``; None: with whatever entry comes first, and believe its link."""
        self.head = head
        """The last entry that was right."""

    def add(self, entry: Kept) -> Break | None:
        """Look at the next entry; what is wrong with it."""
        head = self.head or Head(entry.position - 1, entry.previous)
        problem = _problem(head, entry)
        if problem is not None:
            return Break(min(entry.position, head.position + 1), problem)
        self.head = Head(entry.position, entry.digest)
        return None


def _problem(head: Head, entry: Kept) -> str | None:
    wanted = head.position + 1
    if entry.position > wanted:
        missing = entry.position - wanted
        return f"{missing:,} {'entry is' if missing == 1 else 'entries are'} missing here"
    if entry.position < wanted:
        return f"entry {entry.position:,} comes again, or out of its order"
    if entry.previous != head.digest:
        return "it does not follow the entry before: one of the two was exchanged"
    if entry.digest != digest_of(entry.previous, entry.record):
        return "its record is not the one that its digest was made of"
    if _moment_of(entry.record) != entry.at_ms:
        return "its moment is not the one in its record"
    return None


def _moment_of(record: str) -> object:
    try:
        members = json.loads(record)
    except ValueError:
        return None
    return members.get("at") if isinstance(members, dict) else None


def verify(entries: Iterable[Kept], head: Head | None = START) -> Break | None:
    """The first place where the chain of ``entries`` is broken; None: it is whole."""
    verification = Verification(head)
    for entry in entries:
        found = verification.add(entry)
        if found is not None:
            return found
    return None
