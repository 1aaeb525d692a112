"""What was answered to requests that may be sent twice (draft-ietf-httpapi-idempotency-key-header).

A client that got no answer does not know whether anything was done. If it names its request with a
key, it may send it again: what was done is not done again, and the first answer is given again.
A key means one request of one client; with another request it is refused, and while the first one
is under way too.

    absent ── begin ──> under way ── finish ──> kept ── 24 h ──> absent
                            └─────── abandon ──> absent

An answer is written before it is given, sealed, since one-time secrets may be in it. Which keys
there are is known in memory, so only a repetition reads the database. An answer that could not be
written is kept in memory for as long as there is room.

If this process dies between doing something and writing the answer, a repetition does it again, as
it would without a key.

Memory and the database are bounded: of each client the newest keys are kept.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from trunkpulse.ports import (
    Clock,
    Document,
    DocumentChanged,
    DocumentKind,
    DocumentStore,
    SecretUnreadable,
    StoreUnavailable,
    Vault,
)

__all__ = [
    "KEPT_SECONDS",
    "MOST_KEYS",
    "MOST_KEYS_OF_ONE",
    "Answer",
    "AnswerLost",
    "KeptAnswers",
    "KeyReused",
    "KeyUnderWay",
    "Pending",
    "fingerprint_of",
]

log = structlog.get_logger(__name__)

KEPT_SECONDS = 24 * 3600
MOST_KEYS_OF_ONE = 5000
MOST_KEYS = 20_000
MOST_UNWRITTEN = 1000
"""Answers that wait in memory because the database did not take them."""
PER_READING = 500
DROPPED_AT_ONCE = 200
_SEALED = "answer"


class KeyReused(Exception):
    """The key has been used for another request."""


class KeyUnderWay(Exception):
    """The first request with this key is not done yet."""


class AnswerLost(Exception):
    """It was done, but what was answered is not to be had any more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    """None: it was too long to be kept."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A request under way, to be finished or abandoned."""

    id: str
    owner: str
    fingerprint: str


@dataclass(slots=True)
class _Kept:
    owner: str
    expires_ms: int
    unwritten: tuple[str, Answer] | None = None
    """Fingerprint and answer; None: the database has them."""


def fingerprint_of(*parts: bytes) -> str:
    """What two requests have in common if they are the same one."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


class KeptAnswers:
    """See the module's opening."""

    def __init__(self, store: DocumentStore, vault: Vault, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._under_way: dict[str, str] = {}
        """By id, the fingerprint."""
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        """By id; they expire in this order."""
        self._of_owner: defaultdict[str, OrderedDict[str, None]] = defaultdict(OrderedDict)
        self._unwritten: OrderedDict[str, None] = OrderedDict()
        self._leaving: list[str] = []
        """Ids that the database still has."""

    def __len__(self) -> int:
        return len(self._kept)

    async def load(self) -> None:
        """Read which keys there are; call once. Raises StoreUnavailable."""
        found: list[Document] = []
        after = ""
        now_ms = self._now_ms()
        while True:
            page = await self._store.load_documents(
                DocumentKind.IDEMPOTENT_ANSWER, after=after, limit=PER_READING
            )
            # Without what was answered, which may be much.
            found += [each for each in map(_bare, page) if (each.expires_ms or 0) > now_ms]
            if len(page) < PER_READING:
                break
            after = page[-1].id
        for each in sorted(found, key=lambda each: each.created_ms):
            owner = str(each.definition.get("owner", ""))
            self._note(each.id, _Kept(owner, each.expires_ms or 0))

    async def begin(self, owner: str, key: str, fingerprint: str) -> Answer | Pending:
        """The answer that was given to this request, or leave to do it.

        Raises KeyReused, KeyUnderWay, AnswerLost and StoreUnavailable.
        """
        hashed = _digest(owner)
        id_ = f"{hashed}{_digest(key)}"
        self._check_not_under_way(id_, fingerprint)
        kept = self._kept.get(id_)
        if kept is not None and kept.expires_ms > self._now_ms():
            found = kept.unwritten or await self._read(id_)
            if found is not None:
                if found[0] != fingerprint:
                    raise KeyReused
                return found[1]
            self._check_not_under_way(id_, fingerprint)  # others may have come meanwhile
        self._under_way[id_] = fingerprint
        return Pending(id_, hashed, fingerprint)

    async def finish(self, pending: Pending, answer: Answer) -> None:
        """From now on this is the answer; written on return.

        Raises StoreUnavailable and what the vault raises; then it is known in memory alone.
        """
        now_ms = self._now_ms()
        expires_ms = now_ms + KEPT_SECONDS * 1000
        kept = _Kept(pending.owner, expires_ms, (pending.fingerprint, answer))
        self._forget(pending.id)
        self._note(pending.id, kept)
        self._unwritten[pending.id] = None
        del self._under_way[pending.id]
        try:
            await self._write(
                Document(
                    kind=DocumentKind.IDEMPOTENT_ANSWER,
                    id=pending.id,
                    definition={"owner": pending.owner},
                    secrets={_SEALED: self._vault.seal(_text(pending, answer), _about(pending.id))},
                    created_ms=now_ms,
                    changed_ms=now_ms,
                    expires_ms=expires_ms,
                )
            )
        finally:
            self._bound_unwritten()
        self._unwritten.pop(pending.id, None)
        kept.unwritten = None

    def abandon(self, pending: Pending) -> None:
        """Nothing came of it: the key may be used again."""
        self._under_way.pop(pending.id, None)

    def forget_expired(self) -> None:
        """Let go of the keys that are too old; the store drops its own by itself."""
        now_ms = self._now_ms()
        while self._kept:
            id_, kept = next(iter(self._kept.items()))
            if kept.expires_ms > now_ms:
                return
            self._forget(id_)

    def _check_not_under_way(self, id_: str, fingerprint: str) -> None:
        first = self._under_way.get(id_)
        if first is not None:
            raise KeyUnderWay if first == fingerprint else KeyReused

    async def _write(self, document: Document) -> None:
        try:
            await self._store.save_documents([document])
        except DocumentChanged:  # one that has expired is still there
            await self._store.drop_documents(DocumentKind.IDEMPOTENT_ANSWER, [document.id])
            try:
                await self._store.save_documents([document])
            except DocumentChanged as problem:  # another process writes the same one
                raise StoreUnavailable(str(problem)) from problem
        await self._drop_leaving()

    async def _read(self, id_: str) -> tuple[str, Answer] | None:
        """Fingerprint and answer; None if it is not there any more."""
        found = await self._store.load_documents(
            DocumentKind.IDEMPOTENT_ANSWER, after=id_[:-1], limit=1
        )
        document = next((each for each in found if each.id == id_), None)
        if document is None:
            return None
        try:
            return _read_text(self._vault.open(document.secrets[_SEALED], _about(id_)))
        except (SecretUnreadable, KeyError) as problem:
            raise AnswerLost from problem

    def _note(self, id_: str, kept: _Kept) -> None:
        self._kept[id_] = kept
        mine = self._of_owner[kept.owner]
        mine[id_] = None
        if len(mine) > MOST_KEYS_OF_ONE:
            self._evict(next(iter(mine)))
        if len(self._kept) > MOST_KEYS:
            self._evict(next(iter(self._kept)))

    def _evict(self, id_: str) -> None:
        if id_ not in self._unwritten:
            self._leaving.append(id_)
        self._forget(id_)

    def _forget(self, id_: str) -> None:
        kept = self._kept.pop(id_, None)
        self._unwritten.pop(id_, None)
        if kept is not None:
            mine = self._of_owner[kept.owner]
            del mine[id_]
            if not mine:
                del self._of_owner[kept.owner]

    async def _drop_leaving(self) -> None:
        if len(self._leaving) < DROPPED_AT_ONCE:
            return
        leaving, self._leaving = self._leaving, []
        # A key that was let go may be in use again by now.
        gone = [each for each in leaving if each not in self._kept]
        try:
            await self._store.drop_documents(DocumentKind.IDEMPOTENT_ANSWER, gone)
        except StoreUnavailable as problem:
            log.warning("idempotency.not_dropped", answers=len(gone), problem=str(problem))

    def _bound_unwritten(self) -> None:
        while len(self._unwritten) > MOST_UNWRITTEN:
            self._forget(next(iter(self._unwritten)))

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)


def _bare(document: Document) -> Document:
    return Document(
        kind=document.kind,
        id=document.id,
        definition=document.definition,
        created_ms=document.created_ms,
        changed_ms=document.changed_ms,
        expires_ms=document.expires_ms,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _about(id_: str) -> str:
    return f"idempotent_answer:{id_}:{_SEALED}"


def _text(pending: Pending, answer: Answer) -> str:
    body = None if answer.body is None else base64.b64encode(answer.body).decode()
    headers: Iterable[tuple[str, str]] = answer.headers
    return json.dumps([pending.fingerprint, answer.status, list(headers), body])


def _read_text(text: str) -> tuple[str, Answer]:
    fingerprint, status, headers, body = json.loads(text)
    return fingerprint, Answer(
        status=status,
        headers=tuple((name, value) for name, value in headers),
        body=None if body is None else base64.b64decode(body),
    )
