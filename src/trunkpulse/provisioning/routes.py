"""The routes that were made through the API, beside those that the file declares.

Both kinds decide alike, and their ids differ over both; where two say the same of a number, those
of the file come first, then the oldest. A change is written first. Then the table that decides is
made anew in a thread, of what has changed and what was prepared before, and put in the place of
the old one in one step, so that calls are decided and probes leave meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from trunkpulse.config.json_documents import DocumentRefused
from trunkpulse.config.route_documents import new_route, route_document
from trunkpulse.model import Direction, Route, Trunk
from trunkpulse.ports import Clock, Document, DocumentChanged, DocumentKind, DocumentStore
from trunkpulse.provisioning.refusals import Changed, Exists, Managed, Refused, TooMany
from trunkpulse.provisioning.settling import Doubted
from trunkpulse.routing.selection import RouteTable

__all__ = ["MOST_NUMBERS", "MOST_ROUTES", "MadeRoutes", "UnknownRoute"]

MOST_ROUTES = 5000
MOST_NUMBERS = 100_000
"""Of all routes of the API together."""
PER_READING = 500
FEW = 500
"""Routes, numbers and trunks together: a table of so few is made sooner than a thread is begun."""


class UnknownRoute(KeyError):
    """There is no route of this id."""


class _Prepared(NamedTuple):
    """Routes, and what decides over them."""

    routes: tuple[Route, ...]
    table: RouteTable
    using: Mapping[str, Sequence[str]]
    directions: Mapping[str, Direction | None]


class MadeRoutes:
    """See the module's opening."""

    def __init__(
        self,
        store: DocumentStore,
        *,
        clock: Clock,
        applying: asyncio.Lock,
        trunk: Callable[[str], Trunk | None],
        region: str,
        doubted: Doubted = lambda _: None,
    ) -> None:
        """``applying`` is held while trunks or routes change, whoever changes them.

        ``trunk`` gives a trunk that is there now; calls that do not say where they are, are in
        ``region``.
        """
        self._store = store
        self._clock = clock
        self._applying = applying
        self._trunk = trunk
        self._region = region
        self._doubted = doubted
        self._in_doubt: frozenset[str] = frozenset()
        """Of these the database may have something else than we."""
        self._regained: frozenset[str] = frozenset()
        """These were settled last: who made them was told that it could not be done."""
        self._timezone = "UTC"
        self._of_file: tuple[Route, ...] = ()
        self._made: dict[str, Route] = {}
        self._kept: dict[str, Document] = {}
        self._using: Mapping[str, Sequence[str]] = MappingProxyType({})
        self._directions: Mapping[str, Direction | None] = MappingProxyType({})
        """Of the trunks that are routed over, as the table knows them."""
        self.all: tuple[Route, ...] = ()
        """Every route, those of the file first; another object whenever one has changed."""
        self.table = RouteTable((), {}, region)
        """What decides."""

    # --- reading -----------------------------------------------------------------------------

    def kept(self, route_id: str) -> Document | None:
        """How a route that was made through the API is kept; None for every other."""
        return self._kept.get(route_id)

    def routes_of(self, trunk_id: str) -> Sequence[str]:
        """The ids of the routes that lead over this trunk."""
        return self._using.get(trunk_id, ())

    # --- what the node does --------------------------------------------------------------------

    async def load(self) -> None:
        """Read what was kept; call once.

        Raises StoreUnavailable, and Refused for what another version wrote.
        """
        found: list[Document] = []
        while True:
            after = found[-1].id if found else ""
            page = await self._store.load_documents(
                DocumentKind.ROUTE, after=after, limit=PER_READING
            )
            found += page
            if len(page) < PER_READING:
                break
        for document in sorted(found, key=lambda each: (each.created_ms, each.id)):
            self._made[document.id] = _restored(document)
            self._kept[document.id] = document

    def check_distinct(self, of_file: Sequence[Route]) -> None:
        """Raises Exists if the file declares a route that was made through the API already."""
        for route in of_file:
            if route.id in self._made:
                raise Exists(
                    f"{route.managed_by or 'The file'} declares a route {route.id!r}, which has "
                    "been made through the API already; give it another id in the file."
                )

    async def declare(self, of_file: Sequence[Route], timezone: str = "UTC") -> None:
        """From now on the file declares these; for whoever holds ``applying``.

        ``timezone`` is that of routes which name none.
        """
        self._of_file, self._timezone = tuple(of_file), timezone
        await self._renew()

    async def trunks_changed(self, trunk_ids: Collection[str]) -> None:
        """These trunks may be other ones now, or gone; for whoever holds ``applying``."""
        routed = self._directions.keys() & trunk_ids
        if any(self._direction(each) is not self._directions[each] for each in routed):
            await self._decide_over(self.all)

    # --- changes -----------------------------------------------------------------------------

    async def create(self, route: Route) -> None:
        """Have ``route`` take calls from now on; raises Refused and StoreUnavailable."""
        async with self._applying:
            await self._settle()
            if route.id in self._regained and self._made.get(route.id) == route:
                self._regained -= {route.id}
                return  # it was made; only the answer was lost
            if route.id in self._made or any(each.id == route.id for each in self._of_file):
                raise Exists(f"There is a route with the id {route.id} already; choose another id.")
            if len(self._made) >= MOST_ROUTES:
                raise TooMany(
                    f"There are {MOST_ROUTES:,} routes, which is as many as there may be; delete "
                    "one first."
                )
            await self._write(route)

    async def change(self, route_id: str, edit: Callable[[Route], Route]) -> tuple[Route, Route]:
        """Put what ``edit`` makes of a route in its place; gives it before and after.

        Raises UnknownRoute, Refused, StoreUnavailable and what ``edit`` raises, which is asked
        when nobody else can change it any more; then nothing has changed.
        """
        async with self._applying:
            await self._settle()
            before = self._made_one(route_id)
            after = edit(before)
            if after != before:
                await self._write(after)
            return before, after

    async def delete(self, route_id: str, permit: Callable[[], None]) -> Route:
        """Have it take no more calls; gives what it was. Raises as `change` does."""
        async with self._applying:
            await self._settle()
            route = self._made_one(route_id)
            permit()
            try:
                await self._store.drop_documents(DocumentKind.ROUTE, [route_id])
            except BaseException:
                self._doubt(route_id)
                raise
            del self._made[route_id], self._kept[route_id]
            await self._renew()
            return route

    # -------------------------------------------------------------------------------------------

    async def _write(self, route: Route) -> None:
        others = sum(len(each.numbers) for id_, each in self._made.items() if id_ != route.id)
        if others + len(route.numbers) > MOST_NUMBERS:
            raise TooMany(
                f"The routes would have more than {MOST_NUMBERS:,} numbers and ranges together, "
                "which is as many as there may be; take some out, or write them as prefixes."
            )
        before = self._kept.get(route.id)
        now_ms = int(self._clock.wall() * 1000)
        definition = route_document(route)
        del definition["id"]
        document = Document(
            kind=DocumentKind.ROUTE,
            id=route.id,
            definition=definition,
            revision=1 if before is None else before.revision + 1,
            created_ms=now_ms if before is None else before.created_ms,
            changed_ms=now_ms,
        )
        try:
            await self._store.save_documents([document])
        except DocumentChanged as problem:
            self._doubt(route.id)
            await self._settle()
            raise Changed(
                f"Route {route.id} has been changed by another process meanwhile; look at it again."
            ) from problem
        except BaseException:
            self._doubt(route.id)
            raise
        self._kept[route.id], self._made[route.id] = document, route
        await self._renew()

    def _doubt(self, route_id: str) -> None:
        self._in_doubt |= {route_id}
        self._doubted(self.settle)

    async def settle(self) -> None:
        """Find out what became of changes whose answers were lost, and put it to work.

        Raises StoreUnavailable, and Refused for what another version wrote.
        """
        async with self._applying:
            await self._settle()

    async def _settle(self) -> None:
        if not (ids := self._in_doubt):
            return
        there = await self._store.find_documents(DocumentKind.ROUTE, ids)
        found = {each.id: _restored(each) for each in there}
        for route_id in ids - found.keys():
            self._made.pop(route_id, None)
            self._kept.pop(route_id, None)
        self._made.update(found)
        self._kept.update({each.id: each for each in there})
        self._in_doubt, self._regained = frozenset(), frozenset(found)
        await self._renew()

    async def _renew(self) -> None:
        await self._decide_over((*self._of_file, *self._made.values()))

    async def _decide_over(self, routes: tuple[Route, ...]) -> None:
        if sum(1 + len(route.numbers) + len(route.trunks) for route in routes) <= FEW:
            self._put(self._prepared(routes))
            return
        # What is written is put to work also if whoever asked for it waits no longer.
        making = asyncio.ensure_future(asyncio.to_thread(self._prepared, routes))
        try:
            prepared = await asyncio.shield(making)
        except asyncio.CancelledError:
            self._put(await making)
            raise
        self._put(prepared)

    def _prepared(self, routes: tuple[Route, ...]) -> _Prepared:
        """Made in a thread if it takes long: no trunk changes while ``applying`` is held."""
        using: defaultdict[str, list[str]] = defaultdict(list)
        for route in routes:
            for part in route.trunks:
                using[part.id].append(route.id)
        found = ((trunk_id, self._trunk(trunk_id)) for trunk_id in using)
        trunks = {trunk_id: trunk for trunk_id, trunk in found if trunk is not None}
        return _Prepared(
            routes=routes,
            table=RouteTable(
                routes, trunks, self._region, timezone=self._timezone, before=self.table
            ),
            using=dict(using),
            directions={
                trunk_id: trunks[trunk_id].direction if trunk_id in trunks else None
                for trunk_id in using
            },
        )

    def _put(self, prepared: _Prepared) -> None:
        self.all, self.table, self._using, self._directions = prepared

    def _direction(self, trunk_id: str) -> Direction | None:
        trunk = self._trunk(trunk_id)
        return None if trunk is None else trunk.direction

    def _made_one(self, route_id: str) -> Route:
        if made := self._made.get(route_id):
            return made
        for route in self._of_file:
            if route.id == route_id:
                where = route.managed_by or "the configuration file"
                raise Managed(
                    f"Route {route_id} is declared in {where}; change it there, and have the file "
                    "read again."
                )
        raise UnknownRoute(route_id)


def _restored(document: Document) -> Route:
    try:
        return new_route({**document.definition, "id": document.id}, is_trunk=lambda _: True)
    except DocumentRefused as refused:
        raise Refused(
            f"The route {document.id} in the database is none for this version ({refused}); run "
            "the version that wrote it."
        ) from None
