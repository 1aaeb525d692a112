"""Which route takes a call and in which order its trunks are tried."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.model import (
    Direction,
    NumberRange,
    Reason,
    Route,
    RouteTrunk,
    Trunk,
    TrunkState,
    TrunkStatus,
    WhenNoneAvailable,
)
from trunkpulse.routing.selection import (
    CallRequest,
    Candidate,
    Decision,
    NoCandidates,
    RouteTable,
    Skipped,
    SkipReason,
)

UP = TrunkStatus(TrunkState.AVAILABLE, Reason.KEEPALIVE_RESTORED, 1)
DEGRADED = TrunkStatus(TrunkState.DEGRADED, Reason.NETWORK_ERROR, 2)
UNDECIDED = TrunkStatus(TrunkState.UNKNOWN)
FAILED = TrunkStatus(TrunkState.DOWN, Reason.KEEPALIVE_FAILURE, 3)
DISABLED = TrunkStatus(TrunkState.DOWN, Reason.ADMIN_DISABLED, 4)
UNLICENSED = TrunkStatus(TrunkState.DOWN, Reason.LICENSE_ISSUE, 5)
STATUSES = (UP, DEGRADED, UNDECIDED, FAILED, DISABLED, UNLICENSED)

CALL = CallRequest(to="+15551230001")
NOW_MS = 1_800_000_000_000


def decide(
    routes: Sequence[Route],
    states: dict[str, TrunkStatus],
    call: CallRequest = CALL,
    *,
    seed: int = 1,
    directions: dict[str, Direction] | None = None,
) -> Decision:
    trunks = {
        trunk_id: Trunk(
            id=trunk_id,
            name=trunk_id,
            targets=(),
            direction=(directions or {}).get(trunk_id, Direction.BOTH),
            region="elsewhere",
        )
        for trunk_id in states
    }
    table = RouteTable(routes, trunks, "home")
    return table.decide(call, states.__getitem__, random.Random(seed), NOW_MS)


def ids(decision: Decision) -> list[str]:
    return [candidate.trunk_id for candidate in decision.candidates]


def numbered(route_id: str, *prefixes: str, regions: tuple[str, ...] = ()) -> Route:
    return Route(
        id=route_id,
        numbers=tuple(NumberRange(prefix) for prefix in prefixes),
        regions=regions,
        trunks=(RouteTrunk(id="a"),),
    )


def over(*trunks: RouteTrunk, try_all: bool = False) -> list[Route]:
    when = WhenNoneAvailable.TRY_ALL if try_all else WhenNoneAvailable.FAIL
    return [Route(id="r", trunks=trunks, when_none_available=when)]


# --- the route -----------------------------------------------------------------------------


def test_longest_match_wins_and_the_decision_names_the_rule() -> None:
    routes = [numbered("all"), numbered("us", "+1"), numbered("area", "+44", "+1555")]
    decision = decide(routes, {"a": UP})
    assert (decision.route_id, decision.rule) == ("area", NumberRange("+1555"))


def test_route_without_numbers_takes_what_no_other_has() -> None:
    decision = decide(
        [numbered("us", "+1"), numbered("all")], {"a": UP}, CallRequest("+4420794600")
    )
    assert (decision.route_id, decision.rule) == ("all", None)


def test_route_that_names_the_region_beats_one_for_every_region() -> None:
    routes = [numbered("any", "+1"), numbered("here", "+1", regions=("home",))]
    assert decide(routes, {"a": UP}).route_id == "here"
    elsewhere = CallRequest("+15551230001", region="away")
    assert decide(routes, {"a": UP}, elsewhere).route_id == "any"


def test_of_routes_that_name_the_region_the_first_of_the_file_takes_the_call() -> None:
    def named(route_id: str, *regions: str, prefix: str = "+1") -> Route:
        return Route(
            id=route_id,
            numbers=(NumberRange(prefix),),
            regions=regions,
            trunks=(RouteTrunk(id="a"),),
        )

    routes = [
        named("all"),
        named("apart", "n", "s", prefix="+2"),
        named("north", "n"),
        named("both", "n", "s"),
        named("again", "s", "n"),
    ]
    for region, first in (("n", "north"), ("s", "both"), ("elsewhere", "all")):
        call = CallRequest(to="+1555", region=region)
        assert decide(routes, {"a": UP}, call).route_id == first
        if region != "elsewhere":
            assert decide(routes[::-1], {"a": UP}, call).route_id == "again"


class _Numbers(tuple[NumberRange, ...]):
    """Of a route; counts how often they are gone through."""

    __slots__ = ()
    read: ClassVar[list[str]] = []

    def __iter__(self) -> Iterator[NumberRange]:
        self.read.append("")
        return super().__iter__()


def test_no_call_waits_for_an_index() -> None:
    routes = [
        Route(
            id=f"r{at}",
            numbers=_Numbers([NumberRange(f"+1{at}")]),
            regions=regions,
            trunks=(RouteTrunk(id="a"),),
        )
        for at, regions in enumerate([(), ("n",), ("n", "s")])
    ]
    table = RouteTable(routes, {"a": Trunk(id="a", name="a", targets=())}, "n")
    made = len(_Numbers.read)
    assert made > 0
    for region in (None, "n", "s", "elsewhere"):
        for direction in (Direction.OUTBOUND, Direction.INBOUND):
            for number in ("+10", "+11", "+12", "+9"):
                call = CallRequest(to=number, direction=direction, region=region)
                table.decide(call, lambda _: UP, random.Random(1), NOW_MS)
    assert len(_Numbers.read) == made


def test_longer_match_beats_a_named_region() -> None:
    routes = [numbered("here", "+1", regions=("home",)), numbered("area", "+1555")]
    assert decide(routes, {"a": UP}).route_id == "area"


def test_order_of_the_file_decides_between_equals() -> None:
    assert decide([numbered("x", "+1"), numbered("y", "+1")], {"a": UP}).route_id == "x"


def test_route_of_the_other_direction_does_not_take_the_call() -> None:
    inbound = Route(id="did", direction=Direction.INBOUND, trunks=(RouteTrunk(id="a"),))
    call = CallRequest("+15551230001", direction=Direction.INBOUND)
    assert decide([inbound, numbered("us", "+1")], {"a": UP}, call).route_id == "did"


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (CallRequest("+442079460018"), NoCandidates.NO_ROUTE),
        (CallRequest("+15551230001", region="away"), NoCandidates.REGION_MISMATCH),
        (
            CallRequest("+15551230001", direction=Direction.INBOUND),
            NoCandidates.DIRECTION_MISMATCH,
        ),
    ],
)
def test_call_without_a_route_is_told_why(call: CallRequest, reason: NoCandidates) -> None:
    decision = decide([numbered("us", "+1", regions=("home",))], {"a": UP}, call)
    assert decision == Decision(None, None, reason=reason)


# --- its trunks ----------------------------------------------------------------------------


def test_available_before_degraded_within_a_priority_and_unknown_last_of_all() -> None:
    routes = over(
        RouteTrunk(id="undecided", priority=1),
        RouteTrunk(id="degraded", priority=1),
        RouteTrunk(id="up", priority=1),
        RouteTrunk(id="second", priority=2),
    )
    states = {"undecided": UNDECIDED, "degraded": DEGRADED, "up": UP, "second": UP}
    decision = decide(routes, states)
    assert ids(decision) == ["up", "degraded", "second", "undecided"]
    assert not decision.last_resort
    assert decision.candidates[1] == Candidate("degraded", 1, 100, TrunkState.DEGRADED, since_ms=2)


def test_only_unknown_trunks_left_is_a_last_resort() -> None:
    decision = decide(over(RouteTrunk(id="a"), RouteTrunk(id="b")), {"a": UNDECIDED, "b": FAILED})
    assert ids(decision) == ["a"]
    assert decision.last_resort


def test_trunk_of_weight_zero_comes_after_the_others_of_its_place() -> None:
    routes = over(RouteTrunk(id="spare", weight=0), RouteTrunk(id="main", weight=1))
    for seed in range(200):
        assert ids(decide(routes, {"spare": UP, "main": UP}, seed=seed)) == ["main", "spare"]


def test_available_trunk_of_weight_zero_still_comes_before_a_degraded_one() -> None:
    routes = over(RouteTrunk(id="degraded", weight=100), RouteTrunk(id="spare", weight=0))
    assert ids(decide(routes, {"degraded": DEGRADED, "spare": UP})) == ["spare", "degraded"]


def test_skipped_trunk_carries_its_reason_and_since_when() -> None:
    decision = decide(over(RouteTrunk(id="a"), RouteTrunk(id="b")), {"a": FAILED, "b": UP})
    assert decision.skipped == (Skipped("a", Reason.KEEPALIVE_FAILURE, TrunkState.DOWN, 3),)


def test_trunk_that_does_not_serve_the_direction_or_does_not_exist_is_skipped() -> None:
    routes = over(RouteTrunk(id="in"), RouteTrunk(id="ghost"), RouteTrunk(id="out"), try_all=True)
    decision = decide(
        routes,
        {"in": UP, "out": FAILED},
        directions={"in": Direction.INBOUND, "out": Direction.OUTBOUND},
    )
    assert ids(decision) == ["out"]
    assert decision.skipped == (
        Skipped("in", SkipReason.DIRECTION_MISMATCH, TrunkState.AVAILABLE, 1),
        Skipped("ghost", SkipReason.UNKNOWN_TRUNK, TrunkState.UNKNOWN, None),
    )


def test_route_that_fails_has_no_candidates_when_all_are_down() -> None:
    decision = decide(over(RouteTrunk(id="a")), {"a": FAILED})
    assert (decision.route_id, decision.candidates) == ("r", ())
    assert decision.reason is NoCandidates.NONE_AVAILABLE
    assert not decision.last_resort


def test_try_all_spares_what_a_person_or_the_licence_took_out() -> None:
    routes = over(
        RouteTrunk(id="late", priority=2),
        RouteTrunk(id="disabled"),
        RouteTrunk(id="unlicensed"),
        RouteTrunk(id="early"),
        try_all=True,
    )
    states = {"late": FAILED, "disabled": DISABLED, "unlicensed": UNLICENSED, "early": FAILED}
    decision = decide(routes, states)
    assert ids(decision) == ["early", "late"]
    assert decision.last_resort
    assert decision.reason is None
    assert {(skip.trunk_id, skip.reason) for skip in decision.skipped} == {
        ("disabled", Reason.ADMIN_DISABLED),
        ("unlicensed", Reason.LICENSE_ISSUE),
    }


def test_first_and_second_places_are_shared_by_weight() -> None:
    weights = {"a": 60, "b": 30, "c": 10}
    routes = over(*(RouteTrunk(id=id_, weight=weight) for id_, weight in weights.items()))
    trunks = {id_: Trunk(id=id_, name=id_, targets=()) for id_ in weights}
    table = RouteTable(routes, trunks, "home")
    rng = random.Random(20_261)
    draws = 20_000
    orders = [ids(table.decide(CALL, lambda _: UP, rng, NOW_MS)) for _ in range(draws)]
    first = Counter(order[0] for order in orders)
    for id_, weight in weights.items():
        assert first[id_] / draws == pytest.approx(weight / 100, abs=0.02)
    second_after_a = Counter(order[1] for order in orders if order[0] == "a")
    assert second_after_a["b"] / second_after_a.total() == pytest.approx(0.75, abs=0.02)


_members = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.sampled_from([0, 1, 50, 100]),
        st.sampled_from(STATUSES),
        st.sampled_from(Direction),
    ),
    max_size=8,
)


@given(members=_members, try_all=st.booleans(), seed=st.integers(0, 2**32))
def test_every_decision_keeps_the_rules(
    *, members: list[tuple[int, int, TrunkStatus, Direction]], try_all: bool, seed: int
) -> None:
    parts = [
        RouteTrunk(id=f"t{index}", priority=priority, weight=weight)
        for index, (priority, weight, _, _) in enumerate(members)
    ]
    states = {f"t{index}": member[2] for index, member in enumerate(members)}
    directions = {f"t{index}": member[3] for index, member in enumerate(members)}
    routes = over(*parts, try_all=try_all)
    decision = decide(routes, states, seed=seed, directions=directions)

    tried, skipped = set(ids(decision)), {skip.trunk_id for skip in decision.skipped}
    assert tried | skipped == set(states)
    assert len(decision.candidates) + len(decision.skipped) == len(states)
    assert (decision.reason is None) == bool(tried)

    def tier(candidate: Candidate) -> tuple[bool, int, bool, bool]:
        decided = candidate.state in (TrunkState.AVAILABLE, TrunkState.DEGRADED)
        degraded = candidate.state is TrunkState.DEGRADED
        return (not decided, candidate.priority, degraded, candidate.weight == 0)

    tiers = [tier(candidate) for candidate in decision.candidates]
    assert tiers == sorted(tiers)
    down = {id_ for id_ in tried if states[id_].state is TrunkState.DOWN}
    assert not down or (try_all and decision.last_resort and down == tried)
    assert all(states[id_] not in (DISABLED, UNLICENSED) for id_ in tried)
    assert all(directions[id_].serves(Direction.OUTBOUND) for id_ in tried)

    assert decide(routes, states, seed=seed, directions=directions) == decision

    with_healthy = over(*parts, RouteTrunk(id="new", priority=9), try_all=try_all)
    assert "new" in ids(decide(with_healthy, states | {"new": UP}, directions=directions))
