"""People's sessions: who has signed in, where, and for how long still.

A session is known by 256 bits by chance that the browser keeps in a cookie; kept here, in memory
and in the store, is their SHA-256, so nobody who reads the store can be somebody else. A fast hash
will do, because nobody can go through 2^256 guesses.

It ends when nothing came for ``idle_seconds``, at last after ``longest_seconds``, when its owner
signs out, and when they are disabled, deleted or get another password. What it may do is asked of
its user at each request.

A page of another site may make a browser send the cookie along. So whatever changes something has
to come with a second secret as a header, which only a page of ours can read. It is made from the
first one by a keyed hash, so nothing more has to be kept, and it is worth nothing by itself.

When a session was last used is written every few minutes at most; after a restart a session may
end that much too early. One that ended while the store was away is dropped there once it is back.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from trunkpulse.access.user import User
from trunkpulse.admission.keeping import load_all
from trunkpulse.ports import Clock, Document, DocumentChanged, DocumentKind, DocumentStore

__all__ = ["Session", "SessionRules", "Sessions", "csrf_token_of", "key_of"]

MOST_SESSIONS: Final = 20_000
_WRITTEN_EVERY_MS: Final = 5 * 60 * 1000
_AT_ONCE: Final = 500
"""So many are written in one transaction."""
_COOKIE_CHARACTERS: Final = 43
"""256 bits in base64url."""
_AGENT_CHARACTERS: Final = 200
_MOST_KEPT: Final = 200_000
"""With those that are over and have not been dropped yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRules:
    """How long somebody stays signed in, and may take to do so for the first time."""

    idle_seconds: float = 30 * 60.0
    longest_seconds: float = 12 * 3600.0
    most_per_user: int = 10
    """Beyond that the one that was used longest ago ends."""
    one_time_password_seconds: float = 72 * 3600.0
    """So long somebody may take to sign in with a password that others have given them."""


@dataclass(slots=True, kw_only=True)
class Session:
    """One browser of one person."""

    key: str
    """SHA-256 of what its cookie holds."""
    user_id: str
    password_ms: int | None
    """``User.password_changed_ms`` when it began; with another password it is worth nothing."""
    created_ms: int
    seen_ms: int
    """When it was last used."""
    expires_ms: int
    """It ends then at last."""
    address: str
    agent: str
    """What the browser says that it is."""
    written_ms: int
    """The ``seen_ms`` in the store."""
    revision: int = 1

    @property
    def id(self) -> str:
        """What it may be called by; says nothing of its cookie."""
        return self.key[:24]


class Sessions:
    """All sessions, in memory over their store."""

    def __init__(self, store: DocumentStore, clock: Clock, rules: SessionRules) -> None:
        self.rules = rules
        self._store = store
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._of_user: dict[str, set[str]] = {}
        self._ended: set[str] = set()
        """Keys of sessions that are over, and may be in the store still."""

    async def load(self) -> None:
        """Have those go on that were there before; raises TooManyKept and StoreUnavailable."""
        kept = await load_all(self._store, DocumentKind.SESSION, most=_MOST_KEPT)
        found = [session for session in map(_session_from, kept) if not self._is_over(session)]
        found.sort(key=lambda session: session.seen_ms, reverse=True)
        for session in found[:MOST_SESSIONS]:
            self._put(session)

    async def open(
        self, user: User, *, address: str, agent: str, instead_of: Session | None = None
    ) -> str:
        """A new session of ``user`` as they were proved; what its cookie shall hold.

        ``instead_of`` is the one that the browser has had; it is over. Raises StoreUnavailable.
        """
        cookie = secrets.token_urlsafe(32)
        now_ms = self._now_ms()
        session = Session(
            key=key_of(cookie),
            user_id=user.id,
            password_ms=user.password_changed_ms,
            created_ms=now_ms,
            seen_ms=now_ms,
            expires_ms=now_ms + int(self.rules.longest_seconds * 1000),
            address=address[:64],
            agent="".join(each for each in agent if each.isprintable())[:_AGENT_CHARACTERS],
            written_ms=now_ms,
        )
        if instead_of is not None:
            await self._end([instead_of])
        await self._end(self._too_many(user.id))
        await self._store.save_documents([_document_of(session)])
        self._put(session)
        return cookie

    def find(self, cookie: str) -> Session | None:
        """The session of this cookie, which has been used now; None if there is none (any more)."""
        if len(cookie) != _COOKIE_CHARACTERS:
            return None
        session = self.known_as(key_of(cookie))
        if session is not None:
            session.seen_ms = max(session.seen_ms, self._now_ms())
        return session

    def known_as(self, key: str) -> Session | None:
        """The session of this ``Session.key``; None if there is none (any more)."""
        session = self._sessions.get(key)
        if session is None:
            return None
        if self._is_over(session):
            self._drop(session)
            return None
        return session

    def of_user(self, user_id: str) -> list[Session]:
        """Theirs, the one that was used last first."""
        found = (self._sessions[key] for key in self._of_user.get(user_id, ()))
        going_on = (session for session in found if not self._is_over(session))
        return sorted(going_on, key=lambda session: (-session.seen_ms, session.key))

    async def end(self, session: Session) -> None:
        """It is over at once; raises StoreUnavailable if it may come back with a restart.

        Until the store is there again, and has been told (``write_use``).
        """
        await self._end([session])

    async def sign_out(self, user_id: str) -> None:
        """All of theirs are over; raises as ``end`` does."""
        await self._end([self._sessions[key] for key in self._of_user.get(user_id, ())])

    async def write_use(self) -> None:
        """Note in the store when sessions were last used, and which are over.

        Also drops from memory what is over. Raises StoreUnavailable.
        """
        await self._end(())
        for session in [each for each in self._sessions.values() if self._is_over(each)]:
            self._drop(session)
        due = [
            session
            for session in self._sessions.values()
            if session.seen_ms - session.written_ms >= _WRITTEN_EVERY_MS
        ]
        for start in range(0, len(due), _AT_ONCE):
            some = [each for each in due[start : start + _AT_ONCE] if each.key in self._sessions]
            for session in some:
                session.revision += 1
            documents = [_document_of(session) for session in some]
            try:
                await self._store.save_documents(documents)
            except BaseException as problem:
                for session in some:
                    session.revision -= 1
                if not isinstance(problem, DocumentChanged):
                    raise
                await self._count_as_kept(some)
                continue
            for session, document in zip(some, documents, strict=True):
                session.written_ms = document.changed_ms

    async def _count_as_kept(self, sessions: Sequence[Session]) -> None:
        """Take over the store's revisions: a write may have arrived and its answer been lost.

        A session that is not there any more is over.
        """
        keys = [session.key for session in sessions]
        kept = await self._store.find_documents(DocumentKind.SESSION, keys)
        revisions = {each.id: each.revision for each in kept}
        for session in sessions:
            if session.key in revisions:
                session.revision = revisions[session.key]
            else:
                self._drop(session)

    def _too_many(self, user_id: str) -> list[Session]:
        """Those that have to make room for one more."""
        theirs = self.of_user(user_id)
        over = theirs[self.rules.most_per_user - 1 :]
        if not over and len(self._sessions) >= MOST_SESSIONS:
            over = [min(self._sessions.values(), key=lambda session: session.seen_ms)]
        return over

    async def _end(self, ended: Iterable[Session]) -> None:
        for session in list(ended):
            self._drop(session)
            self._ended.add(session.key)
        if keys := sorted(self._ended):
            await self._store.drop_documents(DocumentKind.SESSION, keys)
            self._ended.difference_update(keys)

    def _put(self, session: Session) -> None:
        self._sessions[session.key] = session
        self._of_user.setdefault(session.user_id, set()).add(session.key)

    def _drop(self, session: Session) -> None:
        self._sessions.pop(session.key, None)
        theirs = self._of_user.get(session.user_id, set())
        theirs.discard(session.key)
        if not theirs:
            self._of_user.pop(session.user_id, None)

    def _is_over(self, session: Session) -> bool:
        now_ms = self._now_ms()
        idle_ms = now_ms - session.seen_ms
        return now_ms >= session.expires_ms or idle_ms >= self.rules.idle_seconds * 1000

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)


def csrf_token_of(cookie: str) -> str:
    """What has to come as a header with each change that is made in the session of ``cookie``."""
    digest = hmac.new(cookie.encode(), b"trunkpulse csrf token", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def key_of(cookie: str) -> str:
    """What a session is known by, of which the cookie cannot be made again."""
    return hashlib.sha256(cookie.encode()).hexdigest()


def _document_of(session: Session) -> Document:
    return Document(
        kind=DocumentKind.SESSION,
        id=session.key,
        definition={
            "user": session.user_id,
            "password_ms": session.password_ms,
            "address": session.address,
            "agent": session.agent,
        },
        revision=session.revision,
        created_ms=session.created_ms,
        changed_ms=session.seen_ms,
        expires_ms=session.expires_ms,
    )


def _session_from(document: Document) -> Session:
    assert document.expires_ms is not None
    password_ms = document.definition.get("password_ms")
    assert password_ms is None or isinstance(password_ms, int)
    return Session(
        key=document.id,
        user_id=str(document.definition["user"]),
        password_ms=password_ms,
        created_ms=document.created_ms,
        seen_ms=document.changed_ms,
        expires_ms=document.expires_ms,
        address=str(document.definition["address"]),
        agent=str(document.definition["agent"]),
        written_ms=document.changed_ms,
        revision=document.revision,
    )
