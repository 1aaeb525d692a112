"""How a trunk that was DOWN takes its calls back."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.model import Route, RouteTrunk, Trunk, TrunkState, TrunkStatus
from trunkpulse.routing.selection import CallRequest, Decision, RouteTable

CALL = CallRequest("+15551230001")
NOW_MS = 1_800_000_000_000
RAMP_SECONDS = 60.0
STATES = {
    "up": TrunkStatus(TrunkState.AVAILABLE),
    "degraded": TrunkStatus(TrunkState.DEGRADED),
    "unknown": TrunkStatus(TrunkState.UNKNOWN),
    "down": TrunkStatus(TrunkState.DOWN),
}


def table_of(*parts: RouteTrunk, ramp_seconds: float = RAMP_SECONDS) -> RouteTable:
    route = Route(id="r", trunks=parts, failback_ramp_seconds=ramp_seconds)
    trunks = {part.id: Trunk(id=part.id, name="", targets=()) for part in parts}
    return RouteTable([route], trunks, "home")


def decide(
    table: RouteTable,
    back_seconds: Mapping[str, float],
    states: Mapping[str, str] | None = None,
    rng: random.Random | None = None,
) -> Decision:
    """``back_seconds``: how long ago trunks came back."""

    def returned_ms(trunk_id: str) -> int | None:
        ago = back_seconds.get(trunk_id)
        return None if ago is None else NOW_MS - int(ago * 1000)

    return table.decide(
        CALL,
        lambda trunk_id: STATES[(states or {}).get(trunk_id, "up")],
        rng or random.Random(1),
        NOW_MS,
        returned_ms,
    )


def order(decision: Decision) -> list[str]:
    return [each.trunk_id for each in decision.candidates]


def shares(decision: Decision) -> dict[str, float]:
    return {each.trunk_id: each.share for each in decision.candidates}


MAIN, SPARE = RouteTrunk(id="main", priority=1), RouteTrunk(id="spare", priority=2)


@pytest.mark.parametrize(("ago", "share"), [(0, 0.0), (15, 0.25), (45, 0.75), (59.4, 0.99)])
def test_its_share_grows_with_the_time_since_it_came_back(ago: float, share: float) -> None:
    table, rng, calls = table_of(MAIN, SPARE), random.Random(7), 4_000
    first = Counter(order(decide(table, {"main": ago}, rng=rng))[0] for _ in range(calls))
    # Four standard deviations of a binomial distribution, at its widest.
    assert first["main"] / calls == pytest.approx(share, abs=4 * 0.5 / calls**0.5)
    assert shares(decide(table, {"main": ago})) == {"main": pytest.approx(share), "spare": 1.0}


def test_among_trunks_of_one_priority_its_weight_grows_back() -> None:
    table, rng, calls = table_of(RouteTrunk(id="a"), RouteTrunk(id="b")), random.Random(7), 4_000
    first = Counter(order(decide(table, {"a": 30}, rng=rng))[0] for _ in range(calls))
    assert first["a"] / calls == pytest.approx(0.25, abs=4 * 0.5 / calls**0.5)


@pytest.mark.parametrize("ago", [60, 3600, -1])
def test_after_the_ramp_and_when_the_clock_was_put_back_it_has_all_of_its_calls(
    ago: float,
) -> None:
    table = table_of(MAIN, SPARE)
    for seed in range(50):
        decision = decide(table, {"main": ago}, rng=random.Random(seed))
        assert order(decision) == ["main", "spare"]
        assert shares(decision) == {"main": 1.0, "spare": 1.0}


def test_without_a_ramp_it_has_all_of_its_calls_at_once() -> None:
    table = table_of(MAIN, SPARE, ramp_seconds=0)
    assert order(decide(table, {"main": 0})) == ["main", "spare"]


@pytest.mark.parametrize(
    ("back_seconds", "states"),
    [
        ({"main": 0}, {"spare": "unknown"}),
        ({"main": 0}, {"spare": "down"}),
        ({"main": 0, "spare": 0}, {}),
        ({"main": 0, "spare": 1}, {"spare": "degraded"}),
    ],
)
def test_without_another_that_has_worked_for_longer_it_takes_all(
    back_seconds: dict[str, float], states: dict[str, str]
) -> None:
    decision = decide(table_of(MAIN, SPARE), back_seconds, states)
    assert order(decision)[0] == "main"
    assert set(shares(decision).values()) == {1.0}


def test_it_stands_back_for_a_degraded_trunk_that_has_worked_for_longer() -> None:
    decision = decide(table_of(MAIN, SPARE), {"main": 0}, {"spare": "degraded"})
    assert order(decision) == ["spare", "main"]


_trunks = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.sampled_from([0, 1, 100]),
        st.sampled_from(sorted(STATES)),
        st.none() | st.integers(0, 120),
    ),
    min_size=1,
    max_size=6,
)


@given(_trunks, st.integers(0, 2**32))
def test_standing_back_excludes_nobody_and_never_leads_behind_the_undecided(
    trunks: list[tuple[int, int, str, int | None]], seed: int
) -> None:
    parts = [
        RouteTrunk(id=f"t{at}", priority=priority, weight=weight)
        for at, (priority, weight, _, _) in enumerate(trunks)
    ]
    states = {f"t{at}": each[2] for at, each in enumerate(trunks)}
    back = {f"t{at}": float(each[3]) for at, each in enumerate(trunks) if each[3] is not None}
    with_ramp = decide(table_of(*parts), back, states, random.Random(seed))
    at_once = decide(table_of(*parts, ramp_seconds=0), back, states, random.Random(seed))

    assert sorted(order(with_ramp)) == sorted(order(at_once))
    assert with_ramp.skipped == at_once.skipped
    assert with_ramp.last_resort == at_once.last_resort
    undecided = [each.state is TrunkState.UNKNOWN for each in with_ramp.candidates]
    assert undecided == sorted(undecided)
    # Those that did not come back just now keep the order that they have among them.
    steady = [each for each in with_ramp.candidates if each.share == 1.0]
    places = [
        (each.state is TrunkState.UNKNOWN, each.priority, each.state is TrunkState.DEGRADED)
        for each in steady
    ]
    assert places == sorted(places)
    assert decide(table_of(*parts), back, states, random.Random(seed)) == with_ramp
