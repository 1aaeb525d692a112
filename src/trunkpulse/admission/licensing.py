"""Keeps the licence of this installation, and says when it covers more or less than before.

That happens when somebody sets another licence and when an end comes. Both take effect at once;
what has to be done about a million trunks takes its time in the task that runs here, and whoever
set the licence does not wait for that.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from trunkpulse.access.licence import EVERYTHING, Entitlement, Licence
from trunkpulse.ports import (
    Clock,
    DestinationInvalid,
    Document,
    DocumentChanged,
    DocumentKind,
    DocumentStore,
    StoreUnavailable,
)

__all__ = ["Licensing"]

log = structlog.get_logger(__name__)

DOCUMENT_ID = "license"
LOOK_SECONDS = 60.0
"""The wall clock may be set: an end may be nearer than it was."""
RETRY_SECONDS = 5.0

Lacking = frozenset[Entitlement]


class Licensing:
    """See the module's opening. ``load`` it, then have ``run`` run."""

    def __init__(
        self,
        store: DocumentStore,
        clock: Clock,
        *,
        apply: Callable[[Lacking], Awaitable[None]],
    ) -> None:
        """``apply`` has what is lacking take effect; it may be called again with the same."""
        self._store = store
        self._clock = clock
        self._apply = apply
        self._changing = asyncio.Lock()
        self._stirred = asyncio.Event()
        self._in_doubt = False
        """True if the database may have a newer one than this."""
        self.licence: Licence = EVERYTHING
        self.revision = 0
        """Counts its changes; 0: nobody has set one."""
        self.created_ms = 0
        """When one was set for the first time."""
        self.changed_ms: int | None = None
        """When this one was."""
        self.in_effect: Lacking = frozenset()
        """What is lacking and treated so, throughout."""
        self.told: Callable[[Lacking, Lacking], None] = lambda _before, _now: None
        """Hears what was lacking and what is, once it is in effect."""

    async def load(self) -> None:
        """Read what was set, at the start: from there on it is in effect.

        Raises StoreUnavailable and LicenceUnreadable.
        """
        await self._read()
        self.in_effect = self.lacking()

    def lacking(self) -> Lacking:
        """What is not covered at this moment."""
        return self.licence.lacking(self.now_ms())

    def covers(self, entitlement: Entitlement) -> bool:
        """True if this is covered at this moment."""
        return self.licence.grant(entitlement).holds(self.now_ms())

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return int(self._clock.wall() * 1000)

    async def put(self, licence: Licence, check: Callable[[], None] = lambda: None) -> None:
        """From now on this is the licence.

        ``check`` may object to what there is until now, where nobody can come in between. Raises
        StoreUnavailable, what ``check`` raises, and DocumentChanged if somebody else has set
        another one meanwhile, which is the licence then.
        """
        async with self._changing:
            check()
            now_ms = self.now_ms()
            document = Document(
                kind=DocumentKind.LICENSE,
                id=DOCUMENT_ID,
                definition=licence.definition(),
                revision=self.revision + 1,
                created_ms=self.created_ms or now_ms,
                changed_ms=now_ms,
            )
            try:
                await self._store.save_documents([document])
            except DocumentChanged:
                await self._read()
                self._stirred.set()
                if (self.licence, self.revision) != (licence, document.revision):
                    raise
                # It is this very one: that it was taken had not come through.
            except BaseException:
                self._in_doubt = True
                self._stirred.set()
                raise
            else:
                self._adopt(document)
                self._stirred.set()

    async def run(self) -> None:
        """Have what is lacking take effect, whenever that changes."""
        while True:
            self._stirred.clear()
            pause = LOOK_SECONDS
            if self._in_doubt and not await self._settled():
                pause = RETRY_SECONDS
            lacking = self.lacking()
            if lacking != self.in_effect and not await self._effected(lacking):
                pause = RETRY_SECONDS
            now_ms = self.now_ms()
            end_ms = self.licence.next_end_ms(now_ms)
            if end_ms is not None:
                pause = min(pause, (end_ms - now_ms) / 1000)
            if self._stirred.is_set():
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stirred.wait()

    async def _settled(self) -> bool:
        """Look what became of a change whose answer was lost."""
        try:
            async with self._changing:
                await self._read()
        except StoreUnavailable:
            return False
        return True

    async def _read(self) -> None:
        for document in await self._store.load_documents(DocumentKind.LICENSE):
            self._adopt(document)
        self._in_doubt = False

    async def _effected(self, lacking: Lacking) -> bool:
        try:
            await self._apply(lacking)
        except (StoreUnavailable, DestinationInvalid) as problem:
            log.error("license.not_in_effect", problem=str(problem), again_in_seconds=RETRY_SECONDS)
            return False
        before, self.in_effect = self.in_effect, lacking
        log.warning(
            "license.changed",
            lacking=",".join(sorted(lacking)) or "nothing",
            before=",".join(sorted(before)) or "nothing",
        )
        self.told(before, lacking)
        return True

    def _adopt(self, document: Document) -> None:
        self.licence = Licence.of(document.definition)
        self.revision = document.revision
        self.created_ms = document.created_ms
        self.changed_ms = document.changed_ms
