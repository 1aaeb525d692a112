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
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

import structlog

from trunkpulse.config.trunk_documents import TrunkDocuments
from trunkpulse.config.wording import shown
from trunkpulse.model import KeepalivePolicy, Trunk
from trunkpulse.ports import (
    Clock,
    Document,
    DocumentChanged,
    DocumentKind,
    DocumentStore,
    Vault,
)
from trunkpulse.provisioning.keeping import KeptTrunk, sealed
from trunkpulse.provisioning.planning import Heirs, Inspection, Planned, RoutesOf, heirs_under
from trunkpulse.provisioning.refusals import (
    Changed,
    Exists,
    InUse,
    Managed,
    TooMany,
    Withheld,
    trunk_in_use,
)
from trunkpulse.provisioning.settling import Doubted
from trunkpulse.provisioning.stock import Stock
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
_TOO_MANY = (
    f"There would be more than {MOST_TRUNKS:,} trunks of the API, as many as there may be; "
    "delete some first."
)


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
        changed: Callable[[Sequence[str]], Awaitable[None]],
        doubted: Doubted = lambda _: None,
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
        self._doubted = doubted
        self._in_doubt: frozenset[str] = frozenset()
        """Of these the database may have something else than we."""
        self._regained: frozenset[str] = frozenset()
        """These were settled last: who made them was told that it could not be done."""
        self._stock = Stock(vault, roster)
        self.withheld: Mapping[str, str] = self._stock.withheld
        """By id, why a trunk is not probed: a sentence for a person."""
        self.changes = 0
        """Counts changes since the start: what was worked out of all of them is stale with it."""

    # --- reading -----------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._stock.kept)

    def get(self, trunk_id: str) -> KeptTrunk | None:
        """The trunk of this id, if it was made through the API."""
        return self._stock.kept.get(trunk_id)

    def described(self, trunk: KeptTrunk) -> dict[str, object]:
        """All that was said of a trunk but its secrets; of a withheld one too."""
        return self._stock.described(trunk)

    def ids(self, start: int, count: int) -> Sequence[str]:
        """Some of their ids, in an order that a change disturbs little."""
        return self._stock.ids(start, count)

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
                self._stock.note(await self._usable(document))
            if len(page) < PER_READING:
                return
            after = page[-1].id

    async def check_distinct(self, of_file: Sequence[Trunk]) -> None:
        """Raise Exists if the file declares one that was made through the API."""
        for start in range(0, len(of_file), GLANCES_PER_TURN):
            for trunk in of_file[start : start + GLANCES_PER_TURN]:
                if trunk.id in self._stock.kept:
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
            return Heirs(self._default, self._documents, self._stock.kept)
        return await heirs_under(default, self._stock.kept)

    def adopt(self, heirs: Heirs) -> None:
        """These run by now; for whoever holds ``applying`` since `heirs_of`."""
        self._default, self._documents, self._stock.kept = heirs

    # --- what an administrator does ------------------------------------------------------------

    async def create(self, document: dict[str, object], inspection: Inspection) -> KeptTrunk:
        """Have the trunk that ``document`` describes probed from now on.

        Raises DocumentRefused, Refused, OSError if its source cannot be used, StoreUnavailable,
        what the vault raises and what ``inspection`` raises; then nothing has changed.
        """
        async with self._applying:
            await self._settle()
            made = self._documents.listed(document)
            inspection.wanted(made.trunk)
            there = self._stock.kept.get(made.trunk.id)
            if there and there.id in self._regained and (there.made, there.revision) == (made, 1):
                self._regained -= {there.id}
                return there  # it was made; only the answer was lost
            self._check_free(made.trunk.id)
            if len(self._stock.kept) >= MOST_TRUNKS:
                raise TooMany(_TOO_MANY)
            now_ms = self._now_ms()
            trunk = KeptTrunk(made, 1, now_ms, now_ms)
            await self._write([trunk], enabled={trunk.id})
            return trunk

    async def change(
        self, trunk_id: str, patch: dict[str, object], inspection: Inspection
    ) -> tuple[KeptTrunk, KeptTrunk]:
        """The trunk before and after the JSON Merge Patch; the same one if it changes nothing.

        Raises UnknownTrunk, and what `create` raises.
        """
        async with self._applying:
            await self._settle()
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
            await self._settle()
            before = self._made(trunk_id, inspection)
            routes = self._routes_of(trunk_id)
            if routes:
                raise InUse(trunk_in_use(trunk_id, routes))
            try:
                await self._store.drop_documents(DocumentKind.TRUNK, [trunk_id])
            except BaseException:
                self._doubt([before])
                raise
            await self._let_go(trunk_id)
            return before

    async def _let_go(self, trunk_id: str) -> None:
        self._stock.forget(trunk_id)
        self._roster.remove(trunk_id)
        self.changes += 1
        await self._changed([trunk_id])

    async def _write(
        self, trunks: Sequence[KeptTrunk], *, enabled: AbstractSet[str] = frozenset()
    ) -> None:
        """Write them, and put them to work; sockets first, so that nothing can fail then."""
        await self._roster.prepare([each.made.trunk for each in trunks])
        try:
            await self._store.save_documents(await sealed(trunks, self._vault))
        except DocumentChanged as problem:
            self._roster.sockets.close_unused()
            self._doubt(trunks)
            await self._settle()
            raise Changed(
                f"Trunk {problem.id} has been changed by another process meanwhile; look at it "
                "again."
            ) from problem
        except BaseException:
            self._roster.sockets.close_unused()
            self._doubt(trunks)
            raise
        await self._run(trunks, enabled)

    async def _run(
        self, trunks: Sequence[KeptTrunk], enabled: AbstractSet[str] = frozenset()
    ) -> None:
        for number, each in enumerate(trunks, start=1):
            self._stock.note(each)
            if number % GLANCES_PER_TURN == 0:
                await asyncio.sleep(0)
        await self._roster.put([each.made.trunk for each in trunks], enabled=enabled)
        self.changes += 1
        await self._changed([each.id for each in trunks])

    def _doubt(self, trunks: Iterable[KeptTrunk]) -> None:
        self._in_doubt |= {each.id for each in trunks}
        self._doubted(self.settle)

    async def settle(self) -> None:
        """Find out what became of changes whose answers were lost, and put it to work.

        Raises StoreUnavailable, and OSError or SecretUnreadable if it cannot be.
        """
        async with self._applying:
            await self._settle()

    async def _settle(self) -> None:
        if not (ids := self._in_doubt):
            return
        there = await self._store.find_documents(DocumentKind.TRUNK, ids)
        found: list[KeptTrunk] = []
        for number, document in enumerate(there, start=1):
            present = self._stock.kept.get(document.id)
            if present is None and document.id in self._roster.records():
                log.error("trunk.declared_twice", trunk=document.id, done="the file's is run")
            elif present is None or present.revision != document.revision:
                found.append(await self._usable(document))
            if number % PER_TURN == 0:
                await asyncio.sleep(0)
        await self._roster.prepare([each.made.trunk for each in found])
        for trunk_id in ids.difference(each.id for each in there) & self._stock.kept.keys():
            await self._let_go(trunk_id)
        self._in_doubt, self._regained = frozenset(), frozenset([each.id for each in found])
        if found:
            await self._run(found, {each.id for each in found if each.revision == 1})

    async def bring_in(
        self, plan: Callable[[], Awaitable[Sequence[Planned]]], *, dry_run: bool = False
    ) -> Sequence[KeptTrunk]:
        """Write and run all that ``plan`` makes; gives what has been changed, or would be.

        Others change trunks while it is planned, so it is looked afterwards whether all is as it
        was then. Raises what ``plan`` and `create` raise; then nothing has changed.
        """
        documents = self._documents
        planned = await plan()
        async with self._applying:
            await self._settle()
            if documents is not self._documents:
                raise Changed("The global settings have changed meanwhile; send the import again.")
            now_ms = self._now_ms()
            trunks: list[KeptTrunk] = []
            for start in range(0, len(planned), GLANCES_PER_TURN):
                part = planned[start : start + GLANCES_PER_TURN]
                for each in part:
                    self._check_as_planned(each)
                trunks += [each.counted(now_ms) for each in part if each.changes]
                await asyncio.sleep(0)
            made = sum(each.revision == 1 for each in trunks)
            if len(self._stock.kept) + made > MOST_TRUNKS:
                raise TooMany(_TOO_MANY)
            if dry_run:
                await self._roster.prepare([each.made.trunk for each in trunks])
                self._roster.sockets.close_unused()
            elif trunks:
                enabled = {each.made.trunk.id for each in planned if each.enables}
                await self._write(trunks, enabled=enabled)
            return trunks

    def _check_as_planned(self, planned: Planned) -> None:
        trunk_id = planned.made.trunk.id
        now = self._stock.kept.get(trunk_id)
        if now is not planned.before or (now is None and self.taken(trunk_id) is not None):
            raise Changed(f"Trunk {trunk_id} has changed meanwhile; send the import again.")

    def is_disabled(self, trunk_id: str) -> bool:
        """True if an administrator has taken it out of service."""
        record = self._roster.records().get(trunk_id)
        return record is not None and not record.admin_enabled

    @property
    def documents(self) -> TrunkDocuments:
        """What makes trunks of documents at the moment."""
        return self._documents

    # --- which there are -----------------------------------------------------------------------

    async def _usable(self, document: Document) -> KeptTrunk:
        return await self._stock.usable(document, self._documents)

    def _check_free(self, trunk_id: str) -> None:
        if (taken := self.taken(trunk_id)) is not None:
            raise Exists(taken)

    def taken(self, trunk_id: str) -> str | None:
        """Why no trunk of this id can be made: a sentence; None if one can."""
        record = self._roster.records().get(trunk_id)
        if record is None and trunk_id not in self._stock.kept:
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
        found = self._stock.kept.get(trunk_id)
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


def _declared_in(record: TrunkRecord | None) -> str:
    where = None if record is None else record.trunk.managed_by
    return f", declared in {where}" if where else ""
