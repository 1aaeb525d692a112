"""What was taken out of switches, in the database: a document for each of them.

It is written down soon after an order, and not before it: a database that is slow or away holds no
order up. What a crash in between forgets stays out, as it would if a hand had done it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import structlog

from trunkpulse.config.switches import SwitchSettings, SwitchType, SwitchUrl
from trunkpulse.ports import (
    MOST_ENTRIES,
    Clock,
    Document,
    DocumentChanged,
    DocumentKind,
    DocumentStore,
    StoreUnavailable,
)
from trunkpulse.switching.taken import Taken

__all__ = ["MOST_SWITCHES", "OnRecord", "SwitchPlace", "TakenFrom"]

log = structlog.get_logger(__name__)

KIND: Final = DocumentKind.TAKEN_OUT
MOST_SWITCHES: Final = 1000
"""That are known of: those of the file, and those that were there once."""
PAUSE_SECONDS: Final = 1.0
"""Between two writings, so that a storm of changes is few of them."""
RETRY_SECONDS: Final = 5.0
REMARKED_SECONDS: Final = 30 * 86_400.0
"""For so long what nobody can give back is remembered, and told at each start."""


class SwitchPlace(NamedTuple):
    """One switch, as long as nobody reaches it elsewhere."""

    switch_id: str
    type: SwitchType
    url: SwitchUrl

    @classmethod
    def of(cls, settings: SwitchSettings) -> SwitchPlace:
        """Where ``settings`` lead."""
        return cls(settings.id, settings.type, settings.url)


@dataclass(slots=True)
class TakenFrom:
    """What was taken out of one switch."""

    switch_id: str
    type: SwitchType
    url: SwitchUrl
    asks_who: bool
    """True: it wants a password, or a certificate of an authority of its own, which is not here."""
    taken: Taken = field(default_factory=Taken)
    until_ms: int | None = None
    """When it is forgotten, wall clock; None: not by the clock."""

    @classmethod
    def of(cls, settings: SwitchSettings, taken: Taken) -> TakenFrom:
        """What was taken out of the switch that ``settings`` describe."""
        closed = settings.password is not None or settings.ca_file is not None
        return cls(settings.id, settings.type, settings.url, closed, taken)

    @property
    def place(self) -> SwitchPlace:
        """Where it was taken out."""
        return SwitchPlace(self.switch_id, self.type, self.url)


class OnRecord:
    """One writer; lives in the task that ``run`` is."""

    def __init__(self, store: DocumentStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._revisions: dict[str, int] = {}
        """Of what the database holds, by the switch's id."""
        self._kept: dict[str, TakenFrom] = {}
        self._written: dict[str, int] = {}
        """``Taken.changes`` when it was last written."""
        self._work = asyncio.Event()

    async def load(self) -> Mapping[str, TakenFrom]:
        """What earlier lives took out, by the switch's id; raises StoreUnavailable."""
        now_ms = int(self._clock.wall() * 1000)
        for document in await self._store.load_documents(KIND, limit=MOST_SWITCHES):
            self._revisions[document.id] = document.revision
            found = _read(document)
            is_over = found is not None and found.until_ms is not None and found.until_ms <= now_ms
            if found is not None and not is_over:
                self._kept[document.id] = found
                self._written[document.id] = found.taken.changes
        return dict(self._kept)

    def keep(self, taken: TakenFrom) -> None:
        """From now on this is what is written down for the switch."""
        if self._kept.get(taken.switch_id) != taken:
            self._kept[taken.switch_id] = taken
            self._written.pop(taken.switch_id, None)
        self._work.set()

    def forget_later(self, taken: TakenFrom) -> None:
        """Nobody can give it back: remember it for as long as it is worth a remark."""
        if taken.until_ms is None:
            taken.until_ms = int((self._clock.wall() + REMARKED_SECONDS) * 1000)
            self._written.pop(taken.switch_id, None)
        self.keep(taken)

    def stir(self) -> None:
        """Something that is kept may have changed."""
        self._work.set()

    async def run(self) -> None:
        """Write down what changed until cancelled."""
        is_away = False
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                await self._catch_up()
                is_away = False
            except (StoreUnavailable, DocumentChanged) as problem:
                if not is_away:
                    log.warning("switch.not_written_down", problem=str(problem))
                is_away = True
                self._work.set()
                await asyncio.sleep(RETRY_SECONDS)
            await asyncio.sleep(PAUSE_SECONDS)

    async def finish(self) -> None:
        """Write down what changed lately, once ``run`` has ended; never raises but if cancelled."""
        try:
            await self._catch_up()
        except (StoreUnavailable, DocumentChanged) as problem:
            log.warning("switch.not_written_down", problem=str(problem))

    async def _catch_up(self) -> None:
        for switch_id, each in list(self._kept.items()):
            changes = each.taken.changes
            if self._written.get(switch_id) != changes:
                await self._write(each)
                self._written[switch_id] = changes

    async def _write(self, each: TakenFrom) -> None:
        switch_id = each.switch_id
        if not each.taken:
            if self._revisions.pop(switch_id, None) is not None:
                await self._store.drop_documents(KIND, [switch_id])
            return
        now_ms = int(self._clock.wall() * 1000)
        revision = self._revisions.get(switch_id, 0) + 1
        document = Document(
            kind=KIND,
            id=switch_id,
            definition=_written(each),
            revision=revision,
            created_ms=now_ms,
            changed_ms=now_ms,
            expires_ms=each.until_ms,
        )
        try:
            await self._store.save_documents([document])
        except DocumentChanged:  # by a process that should not be there; the newest word counts
            await self._store.drop_documents(KIND, [switch_id])
            revision = 1
            await self._store.save_documents([replace(document, revision=revision)])
        self._revisions[switch_id] = revision


def _written(each: TakenFrom) -> dict[str, object]:
    return {
        "type": each.type.value,
        "url": str(each.url),
        "asksWho": each.asks_who,
        "entries": [[key, group] for key, group in each.taken.groups.items()],
    }


def _read(document: Document) -> TakenFrom | None:
    """None: a version of ours that is to come wrote it, so nothing is made of it."""
    said = document.definition
    entries, url = said.get("entries"), said.get("url")
    if not isinstance(entries, list) or not isinstance(url, str):
        return None
    groups: dict[str, str | None] = {}
    for entry in entries[:MOST_ENTRIES]:
        match entry:
            case [str() as key, str() | None as group]:
                groups[key] = group
    try:
        kind = SwitchType(str(said.get("type")))
        place = SwitchUrl.parse(url, kind)
    except ValueError:
        return None
    asks_who = said.get("asksWho") is not False
    return TakenFrom(document.id, kind, place, asks_who, Taken(groups), document.expires_ms)
