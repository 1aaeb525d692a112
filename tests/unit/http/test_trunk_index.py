from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.access import Limits
from trunkpulse.adapters.http.api import trunk_index
from trunkpulse.adapters.http.api.shelf import Wanted
from trunkpulse.adapters.http.api.trunk_index import TrunkIndex
from trunkpulse.adapters.http.api.trunk_order import TrunkSort, ordered_page
from trunkpulse.adapters.turns import Turns
from trunkpulse.board import Board
from trunkpulse.model import Direction, Trunk, TrunkState, TrunkStatus
from trunkpulse.recorder import TrunkRecord
from unit.http.api_world import many, running

REGION = "here"
NAMES = ("Straße Ost", "strasse west", "Ünit", "", "a\nb", "zz")
wanted = st.builds(
    Wanted,
    state=st.none() | st.sampled_from(list(TrunkState)),
    carrier=st.none() | st.sampled_from(["acme", "umbrella", "nobody"]),
    region=st.none() | st.sampled_from([REGION, "eu", "nowhere"]),
    direction=st.none() | st.sampled_from(list(Direction)),
    limits=st.none()
    | st.builds(
        Limits,
        regions=st.none() | st.frozensets(st.sampled_from([REGION, "eu", "nowhere"])),
        carriers=st.none() | st.frozensets(st.sampled_from(["acme", "umbrella", "nobody"])),
    ),
    part=st.none()
    | st.sampled_from(["1", "t-", "strasse", "ü", "z", "1\n", "nothing like it"])
    | st.integers(0, 40).map(lambda number: f"t-{number}"),
)
trunks = st.builds(
    Trunk,
    id=st.integers(0, 40).map(lambda number: f"t-{number}"),
    name=st.sampled_from(NAMES),
    targets=st.just(("sip:127.0.0.1",)),
    carrier=st.sampled_from([None, "acme", "umbrella"]),
    region=st.sampled_from([None, "eu", REGION]),
    direction=st.sampled_from(list(Direction)),
)
changes = st.lists(
    st.tuples(trunks, st.none() | st.sampled_from(list(TrunkState)), st.booleans()), max_size=80
)


class Shop:
    """Trunks that come, change and go, told to the board as the roster tells it."""

    def __init__(self) -> None:
        self.board = Board()
        self.records: dict[str, TrunkRecord] = {}
        self.index = TrunkIndex(self.all, self.board, REGION)
        self.turns = Turns()

    def all(self) -> Mapping[str, TrunkRecord]:
        return self.records

    def put(self, trunk: Trunk, state: TrunkState) -> None:
        """Configure a trunk, or configure it anew."""
        record = self.records.setdefault(trunk.id, TrunkRecord(trunk, None))
        record.trunk = trunk
        self.move(trunk.id, state)
        self.board.publish(trunk.id, TrunkStatus(state, None, None))

    def move(self, trunk_id: str, state: TrunkState) -> None:
        status = self.records[trunk_id].status = TrunkStatus(state, None, None)
        self.board.publish(trunk_id, status)

    def remove(self, trunk_id: str) -> None:
        if self.records.pop(trunk_id, None) is not None:
            self.board.remove(trunk_id)

    def expected(self, wanted: Wanted) -> list[str]:
        return sorted(key for key, each in self.records.items() if wanted.fits(each, REGION))

    async def listed(self, wanted: Wanted, *, limit: int = 1000) -> list[str]:
        """All pages, one after the other."""
        found: list[str] = []
        more = True
        while more:
            page, more = await self.index.page(
                wanted, after=found[-1] if found else None, limit=limit, turns=self.turns
            )
            found += [record.trunk.id for record in page]
            assert len(page) == limit or not more
        return found

    async def ordered(self, wanted: Wanted, sort: TrunkSort, *, limit: int) -> list[str]:
        """All pages in this order."""
        found: list[str] = []
        cursor: str | None = None
        while True:
            page, cursor = await ordered_page(
                self.index, wanted, sort=sort, cursor=cursor, limit=limit, turns=self.turns
            )
            found += [record.trunk.id for record in page]
            if cursor is None:
                return found
            assert len(page) == limit


WORST_FIRST = [TrunkState.DOWN, TrunkState.DEGRADED, TrunkState.UNKNOWN, TrunkState.AVAILABLE]


@pytest.fixture(autouse=True)
def small_shelves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few trunks then make many shelves."""
    monkeypatch.setattr(trunk_index, "SHELF", 4)
    monkeypatch.setattr(trunk_index, "REBUILD_LEAST", 12)


@given(changes, st.lists(wanted, min_size=1, max_size=6), st.integers(1, 7))
def test_pages_over_any_filter_are_what_looking_at_each_trunk_gives(
    changes: list[tuple[Trunk, TrunkState | None, bool]], filters: list[Wanted], limit: int
) -> None:
    async def check() -> None:
        shop = Shop()
        for trunk, state, ask in changes:
            if state is None:
                shop.remove(trunk.id)
            elif trunk.id in shop.records and trunk.name == NAMES[-1]:
                shop.move(trunk.id, state)
            else:
                shop.put(trunk, state)
            if ask:
                assert await shop.listed(filters[0]) == shop.expected(filters[0])
        for each in filters:
            assert await shop.listed(each, limit=limit) == shop.expected(each)

    asyncio.run(check())


@given(changes, wanted, st.sampled_from(list(TrunkSort)), st.integers(1, 7))
def test_pages_in_any_order_are_what_sorting_all_trunks_gives(
    changes: list[tuple[Trunk, TrunkState | None, bool]],
    asked: Wanted,
    sort: TrunkSort,
    limit: int,
) -> None:
    async def check() -> None:
        shop = Shop()
        for trunk, state, ask in changes:
            if state is None:
                shop.remove(trunk.id)
            else:
                shop.put(trunk, state)
            if ask:
                await shop.ordered(asked, sort, limit=limit)
        expected = shop.expected(asked)
        if sort in (TrunkSort.STATE, TrunkSort.STATE_DESCENDING):
            expected.sort(key=lambda key: WORST_FIRST.index(shop.records[key].state))
        if sort in (TrunkSort.ID_DESCENDING, TrunkSort.STATE_DESCENDING):
            expected.reverse()
        assert await shop.ordered(asked, sort, limit=limit) == expected

    asyncio.run(check())


async def test_a_trunk_that_stays_is_on_some_page_while_all_others_come_and_go() -> None:
    shop, rng = Shop(), random.Random(4)
    everything = many(300)
    staying, passing = everything[::3], [each for each in everything if each not in everything[::3]]
    for trunk in staying:
        shop.put(trunk, TrunkState.AVAILABLE)
    seen: list[str] = []
    more = True
    while more:
        page, more = await shop.index.page(
            Wanted(), after=seen[-1] if seen else None, limit=9, turns=shop.turns
        )
        seen += [record.trunk.id for record in page]
        for trunk in rng.sample(passing, 40):
            if trunk.id in shop.records:
                shop.remove(trunk.id)
            else:
                shop.put(trunk, TrunkState.UNKNOWN)
    assert seen == sorted(set(seen))
    assert {trunk.id for trunk in staying} <= set(seen)


async def test_a_search_misses_no_trunk_that_stays_while_shelves_come_and_go_under_it() -> None:
    shop, rng = Shop(), random.Random(4)
    everything = many(300)
    staying, passing = everything[::3], [each for each in everything if each not in everything[::3]]
    for trunk in staying:
        shop.put(trunk, TrunkState.AVAILABLE)
    assert await shop.listed(Wanted(part="t-")) == sorted(shop.records)
    always = Turns(clock=iter(range(10**9)).__next__)  # every shelf has taken long enough
    search = shop.index.page(Wanted(part="t-"), after=None, limit=1000, turns=always)
    asked = asyncio.create_task(search)
    while not asked.done():
        for trunk in rng.sample(passing, 8):
            if trunk.id in shop.records:
                shop.remove(trunk.id)
            else:
                shop.put(trunk, TrunkState.UNKNOWN)
        await shop.index.page(Wanted(), after=None, limit=1, turns=shop.turns)  # who asks mends
        await asyncio.sleep(0)
    page, more = await asked
    found = [record.trunk.id for record in page]
    assert (found, more) == (sorted(set(found)), False)
    assert {trunk.id for trunk in staying} <= set(found)


async def test_who_is_renamed_during_the_first_search_is_found_by_the_new_name() -> None:
    shop = Shop()
    for trunk in many(300):
        shop.put(trunk, TrunkState.AVAILABLE)
    assert await shop.listed(Wanted()) == sorted(shop.records)
    always = Turns(clock=iter(range(10**9)).__next__)  # every step has lasted long enough
    search = shop.index.page(Wanted(part="renamed"), after=None, limit=10, turns=always)
    asked = asyncio.create_task(search)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not asked.done()
    for trunk_id in ("t-0", "t-99"):  # the first of all and the last
        trunk = shop.records[trunk_id].trunk
        shop.put(replace(trunk, name="Renamed"), TrunkState.AVAILABLE)
    page, more = await asked
    assert ([each.trunk.id for each in page], more) == (["t-0", "t-99"], False)


async def test_a_trunk_is_found_by_its_new_state_at_once() -> None:
    shop = Shop()
    for trunk in many(30):
        shop.put(trunk, TrunkState.AVAILABLE)
    assert await shop.listed(Wanted(state=TrunkState.DOWN)) == []
    shop.move("t-7", TrunkState.DOWN)
    assert await shop.listed(Wanted(state=TrunkState.DOWN)) == ["t-7"]
    assert "t-7" not in await shop.listed(Wanted(state=TrunkState.AVAILABLE))


async def test_a_cursor_goes_on_after_a_trunk_that_is_gone() -> None:
    shop = Shop()
    for trunk in many(30):
        shop.put(trunk, TrunkState.DOWN)
    ids = sorted(shop.records)
    shop.remove(ids[9])
    page, more = await shop.index.page(Wanted(), after=ids[9], limit=5, turns=shop.turns)
    assert ([each.trunk.id for each in page], more) == (ids[10:15], True)


async def test_what_happens_while_the_index_is_built_is_in_it() -> None:
    shop = Shop()
    for trunk in many(2000):
        shop.put(trunk, TrunkState.AVAILABLE)
    always = Turns(clock=iter(range(10**9)).__next__)  # every step has lasted long enough
    asked = asyncio.create_task(
        shop.index.page(Wanted(state=TrunkState.DOWN), after=None, limit=10, turns=always)
    )
    for _ in range(20):
        await asyncio.sleep(0)
    assert not asked.done()
    shop.move("t-0", TrunkState.DOWN)
    shop.move("t-1999", TrunkState.DOWN)
    shop.remove("t-1999")
    shop.put(replace(many(1)[0], id="a-new-one"), TrunkState.DOWN)
    page, more = await asked
    assert ([each.trunk.id for each in page], more) == (["a-new-one", "t-0"], False)


async def test_what_was_made_ready_ahead_makes_nobody_wait() -> None:
    shop = Shop()
    for trunk in many(500):
        shop.put(trunk, TrunkState.AVAILABLE)
    at_once = Turns(clock=lambda: 0.0)  # nothing takes any time
    await shop.index.prepare(at_once)
    shop.move("t-7", TrunkState.DOWN)
    search = shop.index.page(
        Wanted(state=TrunkState.DOWN, part="t-7"), after=None, limit=10, turns=at_once
    )
    with pytest.raises(StopIteration) as ended:  # it has run to its end without a single pause
        search.send(None)
    assert [each.trunk.id for each in ended.value.value[0]] == ["t-7"]


async def test_an_index_whose_building_was_cut_short_is_built_by_whoever_asks_next() -> None:
    shop = Shop()
    for trunk in many(500):
        shop.put(trunk, TrunkState.DOWN)
    always = Turns(clock=iter(range(10**9)).__next__)
    asked = asyncio.create_task(shop.index.page(Wanted(), after=None, limit=10, turns=always))
    for _ in range(20):
        await asyncio.sleep(0)
    asked.cancel()
    await asyncio.wait([asked])
    assert asked.cancelled()
    shop.remove("t-0")
    assert await shop.listed(Wanted()) == sorted(shop.records)


async def test_a_new_carrier_or_name_is_found_once_it_is_configured() -> None:
    trunk = many(1)[0]
    async with running(trunks=[trunk]) as world, world.client() as http:
        path = "/api/v2/telephony/trunks"
        assert (await http.get(f"{path}?carrier=umbrella&q=trunk")).json()["entities"]
        await world.roster.apply([replace(trunk, carrier="moved", name="Renamed")])
        assert not (await http.get(f"{path}?carrier=umbrella")).json()["entities"]
        for query in ("carrier=moved", "q=rename", "carrier=moved&q=RENAMED"):
            assert (await http.get(f"{path}?{query}")).json()["entities"], query
        assert not (await http.get(f"{path}?q=trunk+0")).json()["entities"]
