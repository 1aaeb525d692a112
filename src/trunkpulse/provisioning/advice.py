"""Advice that was accepted for good, through the API or by the file, and is shown no more.

One document for each; its id is what was accepted. What the file accepts is the file's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from trunkpulse.config import Config
from trunkpulse.config.advice import Advice
from trunkpulse.config.advice.accepting import MOST_ACCEPTED, is_accepted
from trunkpulse.ports import Clock, Document, DocumentChanged, DocumentKind, DocumentStore
from trunkpulse.provisioning.refusals import Managed, Refused, TooMany
from trunkpulse.provisioning.settling import Doubted

__all__ = ["Acceptance", "AcceptedAdvice", "NotAccepted"]


class NotAccepted(Refused):
    """It is given anyway."""


class Acceptance(NamedTuple):
    """One kind of advice, or one piece, that was accepted."""

    id: str
    accepted_ms: int | None
    """Milliseconds since the epoch; None: the file says so."""
    managed_by: str | None
    """The file that says so; None: it was accepted through the API."""


class AcceptedAdvice:
    """See the module's opening."""

    def __init__(
        self,
        store: DocumentStore,
        *,
        clock: Clock,
        declared: Callable[[], Config],
        doubted: Doubted = lambda _: None,
    ) -> None:
        """``declared`` is what the file says at present."""
        self._store = store
        self._clock = clock
        self._declared = declared
        self._doubted = doubted
        self._in_doubt = False
        """True if the database may have others than we."""
        self._made: dict[str, Acceptance] = {}
        self._of_file: tuple[tuple[str, ...], frozenset[str]] = ((), frozenset())
        """What the file accepted when it was last asked, and the same to be looked up."""
        self._changing = asyncio.Lock()

    # --- reading -----------------------------------------------------------------------------

    def has(self, advice: Advice) -> bool:
        """True if it is to be shown no more."""
        return is_accepted(advice, self._made) or is_accepted(advice, self._by_file())

    def still_given(self, found: Sequence[Advice]) -> list[Advice]:
        """Those that were not accepted."""
        return [each for each in found if not self.has(each)]

    def all(self) -> list[Acceptance]:
        """What was accepted, by id; what the file accepts too is the file's."""
        by_id = self._made | {accepted: self._said(accepted) for accepted in self._by_file()}
        return [by_id[accepted] for accepted in sorted(by_id)]

    def _by_file(self) -> frozenset[str]:
        said = self._declared().accepted_advice
        if self._of_file[0] is not said:
            self._of_file = said, frozenset(said)
        return self._of_file[1]

    # --- changes -----------------------------------------------------------------------------

    async def load(self) -> None:
        """Read what was kept; raises StoreUnavailable."""
        found = await self._store.load_documents(DocumentKind.ACCEPTED_ADVICE, limit=MOST_ACCEPTED)
        self._made = {each.id: Acceptance(each.id, each.created_ms, None) for each in found}
        self._in_doubt = False

    async def settle(self) -> None:
        """Find out what became of a change whose answer was lost; raises StoreUnavailable."""
        async with self._changing:
            await self._settle()

    async def _settle(self) -> None:
        if self._in_doubt:
            await self.load()

    async def accept(self, accepted: str) -> tuple[Acceptance, bool]:
        """Show this no more; safe to repeat. Gives the acceptance, and whether it is a new one.

        ``accepted`` is what ``accepted_id`` gave. Raises TooMany and StoreUnavailable.
        """
        async with self._changing:
            await self._settle()
            present = self._present(accepted)
            if present is not None:
                return present, False
            if len(self._made) >= MOST_ACCEPTED:
                raise TooMany(
                    f"{MOST_ACCEPTED:,} pieces of advice are accepted, which is as many as there "
                    "may be; take some back, or accept a kind by its code alone."
                )
            now_ms = int(self._clock.wall() * 1000)
            document = Document(
                kind=DocumentKind.ACCEPTED_ADVICE,
                id=accepted,
                definition={},
                created_ms=now_ms,
                changed_ms=now_ms,
            )
            try:
                await self._store.save_documents([document])
            except DocumentChanged:  # another process has accepted it meanwhile
                await self.load()
                return self._made.get(accepted, Acceptance(accepted, now_ms, None)), False
            except BaseException:
                self._doubt()
                raise
            made = self._made[accepted] = Acceptance(accepted, now_ms, None)
            return made, True

    async def take_back(self, accepted: str) -> Acceptance:
        """Show this again; raises NotAccepted, Managed and StoreUnavailable."""
        async with self._changing:
            await self._settle()
            present = self._present(accepted)
            if present is None:
                raise NotAccepted(
                    f"{accepted} is not accepted; GET /api/v2/advice/accepted lists what is."
                )
            if present.managed_by is not None:
                raise Managed(
                    f"{accepted} is accepted in {present.managed_by}; take it out there, and have "
                    "the file read again."
                )
            try:
                await self._store.drop_documents(DocumentKind.ACCEPTED_ADVICE, [accepted])
            except BaseException:
                self._doubt()
                raise
            return self._made.pop(accepted)

    def _present(self, accepted: str) -> Acceptance | None:
        if accepted in self._by_file():
            return self._said(accepted)
        return self._made.get(accepted)

    def _said(self, accepted: str) -> Acceptance:
        return Acceptance(accepted, None, self._declared().file or "the configuration file")

    def _doubt(self) -> None:
        self._in_doubt = True
        self._doubted(self.settle)
