"""Passwords hashed by argon2id: so slowly that guessing is dear, and never many at once.

The parameters are those that OWASP names as the least (19 MiB, two passes, one lane); a hash
carries its own, so they may be raised at any time, and a password that was hashed with others is
hashed anew when its owner comes.

A guess costs us some 20 ms of a processor and 19 MiB, and whoever guesses nothing. So at most
``AT_ONCE`` are computed at a time, in threads, and at most ``MOST_WAITING`` wait; strangers (see
``guessing``) get one of the two places and half of the waiting room. Whoever finds it full is told
to come back. The loop of events, and with it every other request, is never held up.

Whether there is such a user costs the same time to find out as whether the password is right:
without a hash to compare with, a decoy is compared with.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from trunkpulse.access.password_rules import objection_to, prepared

__all__ = ["Hashing", "HashingBusy"]

AT_ONCE: Final = 2
MOST_WAITING: Final = 64

ResultT = TypeVar("ResultT")


class HashingBusy(Exception):
    """Too many passwords wait to be looked at; ask again in ``retry_after_seconds``."""

    retry_after_seconds = 2.0


class Hashing:
    """Makes and compares the hashes of passwords."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """``hasher`` has the parameters; None: those of today."""
        self._hasher = hasher or PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._decoy = ""
        self._places = asyncio.Semaphore(AT_ONCE)
        self._strangers = asyncio.Semaphore(AT_ONCE - 1)
        self._waiting = 0
        self.computed = 0
        """How many hashes have been computed so far."""

    async def prepare(self) -> None:
        """Make the decoy, so that the first one who asks learns nothing from the time either."""
        self._decoy = await self.hash(secrets.token_urlsafe(16))

    async def objection_to(self, password: str, names: Sequence[str]) -> str | None:
        """See ``password_rules``; takes a place too, for it is no small matter either.

        Raises HashingBusy.
        """
        async with self._turn(stranger=False):
            return await self._in_a_thread(lambda: objection_to(password, names))

    async def hash(self, password: str) -> str:
        """What is kept of ``password``; raises HashingBusy."""
        async with self._turn(stranger=False):
            self.computed += 1
            return await self._in_a_thread(lambda: self._hasher.hash(prepared(password)))

    async def matches(self, password: str, known: str | None, *, stranger: bool) -> bool:
        """Whether ``password`` is the one that ``known`` was made of; raises HashingBusy.

        Never of None, after the same time.
        """
        against = known or self._decoy

        def compare() -> bool:
            try:
                return self._hasher.verify(against, prepared(password))
            except (VerificationError, InvalidHashError):
                return False

        async with self._turn(stranger=stranger):
            self.computed += 1
            return await self._in_a_thread(compare) and known is not None

    def is_outdated(self, known: str) -> bool:
        """Whether it was made with other parameters than those of today."""
        return self._hasher.check_needs_rehash(known)

    @asynccontextmanager
    async def _turn(self, *, stranger: bool) -> AsyncIterator[None]:
        """One of the places, after waiting for it."""
        if self._waiting >= (MOST_WAITING // 2 if stranger else MOST_WAITING):
            raise HashingBusy
        self._waiting += 1
        try:
            if stranger:
                async with self._strangers, self._places:
                    yield
            else:
                async with self._places:
                    yield
        finally:
            self._waiting -= 1

    async def _in_a_thread(self, compute: Callable[[], ResultT]) -> ResultT:
        """A thread cannot be cancelled: whoever is keeps their place until it is done."""
        work = asyncio.ensure_future(asyncio.to_thread(compute))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])
            raise
