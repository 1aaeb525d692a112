"""The trunks that were made through the API, beside those that the file declares.

Both kinds are probed alike, and their ids differ over both. A change is written first and put to
work then, in one step that cannot fail: the sockets that it takes are opened before anything is
written, so a change that cannot work changes nothing anywhere. One trunk that changes is one trunk
that is touched, however many there are.

A trunk whose secrets cannot be opened as this process was started is *withheld*: it is shown, and
not probed, since without its password it would only fail; nothing is written over what the right
key would open again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

import structlog

from trunkpulse.config.inheritance import Inheritance
from trunkpulse.config.trunk_documents import MadeTrunk, TrunkDocuments
from trunkpulse.config.wording import shown
from trunkpulse.model import KeepalivePolicy, Trunk
from trunkpulse.ports import (
    Clock,
    Document,
    DocumentChanged,
    DocumentKind,
    DocumentStore,
    SecretUnreadable,
    Vault,
)
from trunkpulse.provisioning.keeping import KeptTrunk, kept, restored, withheld
from trunkpulse.provisioning.planning import Heirs, Inspection, Planned, RoutesOf
from trunkpulse.provisioning.refusals import Changed, Exists, InUse, Managed, TooMany, Withheld
from trunkpulse.recorder import TrunkRecord
from trunkpulse.roster import Roster, UnknownTrunk

__all__ = ["MOST_TRUNKS", "MadeTrunks"]

log = structlog.get_logger(__name__)

MOST_TRUNKS = 1_000_000
PER_READING = 1000
"""Trunks that are read from the database at once."""
PER_TURN = 100
"""Trunks that are made, sealed or written before the event loop does anything else."""
GLANCES_PER_TURN = 4000
_SHOWN_ROUTES = 5


class MadeTrunks:
    """See the module's opening."""

    def __init__(
        self,
        store: DocumentStore,
        vault: Vault,
        *,
        clock: Clock,
        roster: Roster,
        applying: asyncio.Lock,
        default: KeepalivePolicy,
        routes_of: RoutesOf,
        changed: Callable[[Sequence[str]], None],
    ) -> None:
        """``applying`` is held while trunks change, whoever changes them.

        ``default`` is what trunks inherit; ``changed`` hears which are other ones, or gone.
        """
        self._store = store
        self._vault = vault
        self._clock = clock
        self._roster = roster
        self._applying = applying
        self._default = default
        self._documents = TrunkDocuments(default)
        self._routes_of = routes_of
        self._changed = changed
        self._kept: dict[str, KeptTrunk] = {}
        self._order: list[str] = []
        self._places: dict[str, int] = {}
        """Where each stands in the order."""
        self.changes = 0
        """Counts changes since the start: what was worked out of all of them is stale with it."""
        self.withheld: dict[str, str] = {}
        """By id, why a trunk is not probed: a sentence for a person."""

    # --- reading -----------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, trunk_id: str) -> KeptTrunk | None:
        """The trunk of this id, if it was made through the API."""
        return self._kept.get(trunk_id)

    def trunks(self) -> list[Trunk]:
        """All of them; a moment's work for a hundred thousand."""
        return [each.made.trunk for each in self._kept.values()]

    def ids(self, start: int, count: int) -> Sequence[str]:
        """Some of their ids, in an order that a change disturbs little."""
        return self._order[start : start + count]

    # --- what the node does --------------------------------------------------------------------

    async def load(self, default: KeepalivePolicy) -> None:
        """Read what was kept, which inherits this; call once, before anything is probed.

        Raises StoreUnavailable, and SecretUnreadable for what another version wrote.
        """
        self._documents = TrunkDocuments(default)
        self._default = default
        after = ""
        while True:
            page = await self._store.load_documents(
                DocumentKind.TRUNK, after=after, limit=PER_READING
            )
            for number, document in enumerate(page):
                if number % PER_TURN == 0:
                    await asyncio.sleep(0)
                self._note(await self._usable(self._restored(document), document))
            if len(page) < PER_READING:
                return
            after = page[-1].id

    async def check_distinct(self, of_file: Sequence[Trunk]) -> None:
        """Raise Exists if the file declares one that was made through the API."""
        for start in range(0, len(of_file), GLANCES_PER_TURN):
            for trunk in of_file[start : start + GLANCES_PER_TURN]:
                if trunk.id in self._kept:
                    raise Exists(
                        f"{trunk.managed_by or 'The file'} declares a trunk {shown(trunk.id)}, "
                        "which has been made through the API already; give it another id in the "
                        "file, or delete the one of the API."
                    )
            await asyncio.sleep(0)

    async def heirs_of(self, default: KeepalivePolicy) -> Heirs:
        """All of them as they are once they inherit this; nothing is changed yet.

        For whoever holds ``applying``.
        """
        if (default, default.inherited) == (self._default, self._default.inherited):
            return Heirs(self._default, self._documents, self._kept)
        inheritance = Inheritance(default)
        heirs: dict[str, KeptTrunk] = {}
        for number, (trunk_id, each) in enumerate(self._kept.items(), start=1):
            trunk = inheritance.trunk(each.made.trunk)
            heirs[trunk_id] = each._replace(made=MadeTrunk(trunk, each.made.said))
            if number % PER_TURN == 0:
                await asyncio.sleep(0)
        return Heirs(default, TrunkDocuments(default), heirs)

    def adopt(self, heirs: Heirs) -> None:
        """These run by now; for whoever holds ``applying`` since `heirs_of`."""
        self._default, self._documents, self._kept = heirs

    # --- what an administrator does ------------------------------------------------------------

    async def create(self, document: dict[str, object], inspection: Inspection) -> KeptTrunk:
        """Have the trunk that ``document`` describes probed from now on.

        Raises DocumentRefused, Refused, OSError if its source cannot be used, StoreUnavailable,
        what the vault raises and what ``inspection`` raises; then nothing has changed.
        """
        async with self._applying:
            made = self._documents.new(document)
            inspection.wanted(made.trunk)
            self._check_free(made.trunk.id)
            if len(self._kept) >= MOST_TRUNKS:
                raise _too_many()
            now_ms = self._now_ms()
            trunk = KeptTrunk(made, 1, now_ms, now_ms)
            await self._write([trunk])
            return trunk

    async def change(
        self, trunk_id: str, patch: dict[str, object], inspection: Inspection
    ) -> tuple[KeptTrunk, KeptTrunk]:
        """The trunk before and after the JSON Merge Patch; the same one if it changes nothing.

        Raises UnknownTrunk, and what `create` raises.
        """
        async with self._applying:
            before = self.check_changeable(trunk_id, inspection)
            made = self._documents.changed(before.made, patch)
            inspection.wanted(made.trunk)
            after = before
            if made != before.made:
                after = KeptTrunk(made, before.revision + 1, before.created_ms, self._now_ms())
                await self._write([after])
            if patch.get("enabled") is True:
                # Whoever says so means that it shall work, whoever took it out of service.
                self._roster.set_admin_enabled(trunk_id, enabled=True)
            return before, after

    async def delete(self, trunk_id: str, inspection: Inspection) -> KeptTrunk:
        """Let a trunk go; gives what it was. Raises as `change` does, and InUse."""
        async with self._applying:
            before = self._made(trunk_id, inspection)
            routes = self._routes_of(trunk_id)
            if routes:
                raise InUse(_in_use(trunk_id, routes))
            await self._store.drop_documents(DocumentKind.TRUNK, [trunk_id])
            self._forget(trunk_id)
            self._roster.remove(trunk_id)
            self.changes += 1
            self._changed([trunk_id])
            return before

    async def _write(self, trunks: Sequence[KeptTrunk]) -> None:
        """Write them, and put them to work; sockets first, so that nothing can fail then."""
        await self._roster.prepare([each.made.trunk for each in trunks])
        try:
            await self._store.save_documents(await self._sealed(trunks))
        except DocumentChanged as problem:
            self._roster.sockets.close_unused()
            raise Changed(
                f"Trunk {problem.id} has been changed by another process meanwhile; restart "
                "this one to have it read what is there."
            ) from problem
        except BaseException:
            self._roster.sockets.close_unused()
            raise
        for number, each in enumerate(trunks, start=1):
            self._note(each)
            if number % GLANCES_PER_TURN == 0:
                await asyncio.sleep(0)
        await self._roster.put([each.made.trunk for each in trunks])
        self.changes += 1
        self._changed([each.id for each in trunks])

    async def _sealed(self, trunks: Iterable[KeptTrunk]) -> list[Document]:
        documents: list[Document] = []
        for each in trunks:
            documents.append(kept(each, self._vault))
            if len(documents) % PER_TURN == 0:
                await asyncio.sleep(0)
        return documents

    async def bring_in(
        self, plan: Callable[[], Awaitable[Sequence[Planned]]], *, dry_run: bool = False
    ) -> Sequence[KeptTrunk]:
        """Write and run all that ``plan`` makes, which is called where nobody comes in between.

        Gives what has been changed (or would be, with ``dry_run``). Raises what ``plan`` and
        `create` raise; then nothing has changed.
        """
        async with self._applying:
            planned = await plan()
            now_ms = self._now_ms()
            trunks: list[KeptTrunk] = []
            for start in range(0, len(planned), GLANCES_PER_TURN):
                part = planned[start : start + GLANCES_PER_TURN]
                trunks += [each.counted(now_ms) for each in part if each.changes]
                await asyncio.sleep(0)
            made = sum(each.revision == 1 for each in trunks)
            if len(self._kept) + made > MOST_TRUNKS:
                raise _too_many()
            if dry_run:
                await self._roster.prepare([each.made.trunk for each in trunks])
                self._roster.sockets.close_unused()
            elif trunks:
                await self._write(trunks)
            return trunks

    @property
    def documents(self) -> TrunkDocuments:
        """What makes trunks of documents at the moment."""
        return self._documents

    # --- which there are -----------------------------------------------------------------------

    def _restored(self, document: Document) -> KeptTrunk:
        try:
            return restored(document, self._documents, self._vault)
        except SecretUnreadable as problem:
            return self._withhold(document, str(problem))

    async def _usable(self, trunk: KeptTrunk, document: Document) -> KeptTrunk:
        """``trunk``, or what is shown of it if this machine has not the address of its source.

        The others have to be probed all the same, and it has to be there to be changed.
        """
        source = trunk.made.trunk.identity.source
        if source is None:
            return trunk
        try:
            await self._roster.prepare([trunk.made.trunk])
        except OSError as problem:
            return self._withhold(
                document,
                f"its probes cannot leave from {source[0]} ({problem.strerror or problem})",
            )
        return trunk

    def _withhold(self, document: Document, problem: str) -> KeptTrunk:
        trunk = withheld(document, self._documents)
        self.withheld[document.id] = problem
        log.error(
            "trunk.withheld",
            trunk=document.id,
            problem=problem,
            done="it is not probed until a start that can",
        )
        return trunk

    def _note(self, trunk: KeptTrunk) -> None:
        if trunk.id not in self._kept:
            self._places[trunk.id] = len(self._order)
            self._order.append(trunk.id)
        self._kept[trunk.id] = trunk

    def _forget(self, trunk_id: str) -> None:
        del self._kept[trunk_id]
        self.withheld.pop(trunk_id, None)
        place, last = self._places.pop(trunk_id), self._order.pop()
        if last != trunk_id:  # the last one takes the place that has become free
            self._order[place] = last
            self._places[last] = place

    def _check_free(self, trunk_id: str) -> None:
        if (taken := self.taken(trunk_id)) is not None:
            raise Exists(taken)

    def taken(self, trunk_id: str) -> str | None:
        """Why no trunk of this id can be made: a sentence; None if one can."""
        record = self._roster.records().get(trunk_id)
        if record is None and trunk_id not in self._kept:
            return None
        return (
            f"There is a trunk with the id {trunk_id} already{_declared_in(record)}; choose "
            "another id."
        )

    def check_changeable(self, trunk_id: str, inspection: Inspection) -> KeptTrunk:
        """The trunk, if it can be changed; raises as `change` does."""
        trunk = self._made(trunk_id, inspection)
        if problem := self.withheld.get(trunk_id):
            raise Withheld(f"Trunk {trunk_id} is withheld and can only be deleted: {problem}")
        return trunk

    def _made(self, trunk_id: str, inspection: Inspection) -> KeptTrunk:
        found = self._kept.get(trunk_id)
        if found is not None:
            inspection.found(found.made.trunk, found)
            return found
        record = self._roster.records().get(trunk_id)
        if record is None:
            raise UnknownTrunk(trunk_id)
        inspection.found(record.trunk, None)
        where = record.trunk.managed_by or "the configuration file"
        raise Managed(
            f"Trunk {trunk_id} is declared in {where}; change it there, and have the file read "
            "again."
        )

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)


def _too_many() -> TooMany:
    return TooMany(
        f"There would be more than {MOST_TRUNKS:,} trunks of the API, which is as many as there "
        "may be; delete some first."
    )


def _declared_in(record: TrunkRecord | None) -> str:
    where = None if record is None else record.trunk.managed_by
    return f", declared in {where}" if where else ""


def _in_use(trunk_id: str, routes: Sequence[str]) -> str:
    names = ", ".join(routes[:_SHOWN_ROUTES])
    more = len(routes) - _SHOWN_ROUTES
    listed = f"{names} and {more} more" if more > 0 else names
    which = "route" if len(routes) == 1 else "routes"
    return (
        f"Trunk {trunk_id} is part of the {which} {listed}; take it out of there first, or delete "
        f"the {which}."
    )
