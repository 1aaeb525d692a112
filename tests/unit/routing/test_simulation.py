from __future__ import annotations

import io
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
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
from trunkpulse.routing.call_log import Call, CallLog
from trunkpulse.routing.decision import CallRequest
from trunkpulse.routing.moves import Move, in_words, peak
from trunkpulse.routing.selection import RouteTable
from trunkpulse.routing.simulation import Simulation, Usual
from trunkpulse.routing.suppositions import (
    BadSupposition,
    Scope,
    SupposedHealth,
    Supposition,
)

NOW_MS = 1_700_000_000_000
TRUNKS = {
    each.id: each
    for each in (
        Trunk(id="a", name="A", targets=("sip:192.0.2.1",), carrier="acme", region="us"),
        Trunk(id="b", name="B", targets=("sip:192.0.2.2",), carrier="acme"),
        Trunk(id="c", name="C", targets=("sip:192.0.2.3",), carrier="umbrella"),
    )
}
SHARED = Route(
    id="shared",
    numbers=(NumberRange("+1"),),
    trunks=(RouteTrunk(id="a", weight=50), RouteTrunk(id="b"), RouteTrunk(id="c")),
)
LONELY = Route(id="lonely", numbers=(NumberRange("+49"),), trunks=(RouteTrunk(id="a"),))
PANIC = Route(
    id="panic",
    numbers=(NumberRange("+44"),),
    trunks=(RouteTrunk(id="a"), RouteTrunk(id="b")),
    when_none_available=WhenNoneAvailable.TRY_ALL,
)
TABLE = RouteTable((SHARED, LONELY, PANIC), TRUNKS, "default")
NUMBERS = tuple(f"+1555{n:07}" for n in range(300))


def all_up(_trunk_id: str) -> TrunkStatus:
    return TrunkStatus(TrunkState.AVAILABLE, Reason.KEEPALIVE_RESTORED, NOW_MS - 1)


def never(_trunk_id: str) -> int | None:
    return None


def simulated(
    numbers: Sequence[str | Call],
    *suppose: str,
    seed: int = 0,
    first: int = 0,
    table: RouteTable = TABLE,
    returned: dict[str, int] | None = None,
    usual: Usual = Usual(),  # noqa: B008 - frozen
) -> Simulation:
    suppositions = [Supposition.parse(each) for each in suppose]
    healths = [
        SupposedHealth(all_up, each, TRUNKS.get, default_region="default", now_ms=NOW_MS)
        for each in ((), suppositions)
    ]
    simulation = Simulation(
        table,
        healths[0],
        healths[1] if suppose else None,
        returned_ms=(returned or {}).get,
        now_ms=NOW_MS,
        seed=seed,
        first=first,
        usual=usual,
    )
    for row, each in enumerate(numbers, first + 1):
        simulation.add(each if isinstance(each, Call) else Call(row, each))
    return simulation


def logged(text: str) -> list[Call]:
    return [each for each in CallLog(io.StringIO(text, newline="")).calls() if type(each) is Call]


states = st.sampled_from(TrunkState)
names = st.text(min_size=1).map(str.strip).filter(bool)
suppositions = st.one_of(
    st.builds(Supposition, st.just(Scope.ALL), st.just(""), states),
    st.builds(Supposition, st.sampled_from([Scope.CARRIER, Scope.REGION]), names, states),
    st.builds(Supposition, st.just(Scope.TRUNK), names, states),
)


@given(suppositions)
def test_what_a_supposition_is_written_as_reads_back_the_same(one: Supposition) -> None:
    assert Supposition.parse(str(one)) == one


@pytest.mark.parametrize(
    ("text", "scope", "name", "state"),
    [
        ("carrier-a=DOWN", Scope.TRUNK, "carrier-a", TrunkState.DOWN),
        (" carrier-a = available ", Scope.TRUNK, "carrier-a", TrunkState.AVAILABLE),
        ("trunk:all=DEGRADED", Scope.TRUNK, "all", TrunkState.DEGRADED),
        ("all=UNKNOWN", Scope.ALL, "", TrunkState.UNKNOWN),
        ("carrier:a=b: c=DOWN", Scope.CARRIER, "a=b: c", TrunkState.DOWN),
        ("Region:us-east=DOWN", Scope.REGION, "us-east", TrunkState.DOWN),
    ],
)
def test_suppositions_are_written_as_people_write_them(
    text: str, scope: Scope, name: str, state: TrunkState
) -> None:
    assert Supposition.parse(text) == Supposition(scope, name, state)


@pytest.mark.parametrize(
    "text", ["", "carrier-a", "=DOWN", "carrier:=DOWN", "carrier-a=BROKEN", "colour:red=DOWN"]
)
def test_a_text_that_is_no_supposition_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(BadSupposition, match="is no supposition; write one such as"):
        Supposition.parse(text)


@pytest.mark.parametrize(
    ("suppose", "expected"),
    [
        (["a=DOWN"], {"a"}),
        (["carrier:acme=DOWN"], {"a", "b"}),
        (["region:us=DOWN"], {"a"}),
        (["region:default=DOWN"], {"b", "c"}),
        (["all=DOWN"], {"a", "b", "c"}),
        (["all=DOWN", "b=AVAILABLE"], {"a", "c"}),
        (["b=AVAILABLE", "all=DOWN"], {"a", "b", "c"}),
    ],
)
def test_of_several_suppositions_the_last_that_concerns_a_trunk_counts(
    suppose: list[str], expected: set[str]
) -> None:
    health = SupposedHealth(
        all_up,
        [Supposition.parse(each) for each in suppose],
        TRUNKS.get,
        default_region="default",
        now_ms=NOW_MS,
    )
    assert {id_ for id_ in TRUNKS if health.status(id_).state is TrunkState.DOWN} == expected
    assert {id_ for id_ in TRUNKS if health.is_supposed(id_)} == expected


def test_a_trunk_that_is_out_of_service_stays_so_when_it_is_supposed_down() -> None:
    disabled = TrunkStatus(TrunkState.DOWN, Reason.ADMIN_DISABLED, 5)
    health = SupposedHealth(
        lambda _: disabled,
        [Supposition.parse("all=DOWN")],
        TRUNKS.get,
        default_region="default",
        now_ms=NOW_MS,
    )
    assert health.status("a") is disabled
    assert not health.is_supposed("a")


@settings(deadline=None, max_examples=50)
@given(
    st.integers(0, 2**40),
    st.lists(st.sampled_from([*NUMBERS[:5], "+4930123456", "+33123456789"]), max_size=20),
)
def test_without_a_supposition_each_call_goes_where_decide_sends_it(
    seed: int, numbers: list[str]
) -> None:
    simulation = simulated(numbers, seed=seed)
    decided = [
        TABLE.decide(CallRequest(each), all_up, random.Random(seed + at), NOW_MS)
        for at, each in enumerate(numbers)
    ]
    first = [each.candidates[0].trunk_id if each.candidates else None for each in decided]
    assert [now for now, _ in simulation.choices] == first
    assert simulation.supposed is None
    assert simulation.moves == {}


def test_a_log_in_pieces_comes_to_the_same_as_in_one() -> None:
    whole = simulated(NUMBERS, "b=DOWN", seed=9)
    pieces = [
        simulated(NUMBERS[at : at + 70], "b=DOWN", seed=9, first=at) for at in range(0, 300, 70)
    ]
    assert [choice for each in pieces for choice in each.choices] == whole.choices


def test_calls_move_only_away_from_a_trunk_that_is_supposed_down() -> None:
    simulation = simulated(NUMBERS, "a=DOWN")
    assert {move.before for move in simulation.moves} == {"a"}
    assert {move.after for move in simulation.moves} == {"b", "c"}
    moved = sum(group.calls for group in simulation.moves.values())
    assert moved == simulation.present.trunks["a"] > 30
    assert simulation.supposed is not None
    assert simulation.supposed.trunks["a"] == 0
    assert simulation.supposed.trunks.total() == len(NUMBERS)


def test_calls_that_no_trunk_is_left_for_are_lost_with_an_example() -> None:
    simulation = simulated(["+4930123456", "+4930123457", NUMBERS[0]], "carrier:acme=DOWN")
    assert simulation.supposed is not None
    [(lost, group)] = simulation.supposed.lost.items()
    assert (lost.route_id, lost.reason, group.calls) == ("lonely", "NONE_AVAILABLE", 2)
    assert group.examples == ["+4930123456", "+4930123457"]
    assert simulation.moves[Move("a", None)].calls == 2
    assert simulation.supposed.routes == {"lonely": 2, "shared": 1}


def test_a_supposed_outage_is_tried_as_a_last_resort_where_the_route_says_so() -> None:
    simulation = simulated(["+442012345678"], "all=DOWN")
    assert simulation.supposed is not None
    assert simulation.supposed.last_resort == 1
    assert simulation.present.last_resort == 0


def test_what_is_no_number_is_counted_and_shown_with_its_place() -> None:
    simulation = simulated(["anonymous", "030123456", NUMBERS[0]])
    [(reason, group)] = simulation.unread.items()
    assert (reason, group.calls, simulation.calls) == ("NUMBER", 2, 1)
    assert [(each.row, each.text) for each in group.examples if not isinstance(each, str)] == [
        (1, "anonymous"),
        (2, "030123456"),
    ]


def test_numbers_are_read_as_dialled_in_the_country() -> None:
    simulation = simulated(["030123456"], usual=Usual(country="DE"))
    assert simulation.present.trunks == {"a": 1}


def test_a_call_that_says_its_direction_is_not_what_is_usual() -> None:
    calls = [Call(1, NUMBERS[0], direction=Direction.INBOUND), Call(2, NUMBERS[0])]
    simulation = simulated(calls)
    [(lost, group)] = simulation.present.lost.items()
    assert (lost.reason, group.calls) == ("DIRECTION_MISMATCH", 1)


def test_a_call_of_last_week_meets_the_ramp_of_now() -> None:
    ramped = Route(
        id="ramped",
        numbers=(NumberRange("+1"),),
        trunks=(RouteTrunk(id="a"), RouteTrunk(id="b", priority=2)),
        failback_ramp_seconds=100,
    )
    table = RouteTable((ramped,), TRUNKS, "default")
    week_ago = NOW_MS - 7 * 86_400_000
    for at_ms in (None, week_ago):
        calls = [Call(n, number, at_ms=at_ms) for n, number in enumerate(NUMBERS, 1)]
        simulation = simulated(calls, table=table, returned={"a": NOW_MS - 30_000})
        assert 0.2 < simulation.present.trunks["a"] / len(NUMBERS) < 0.4


def test_the_peak_counts_calls_that_are_there_at_once() -> None:
    log = logged(
        "to,time,seconds\n+4930123456,1000,60\n+4930123456,1030,60\n+4930123456,1060,5\n"
        "+4930123456,1010,0\n"
    )
    [(trunk_id, spans)] = simulated(log).present.spans.items()
    assert (trunk_id, peak(spans)) == ("a", 2)
    assert simulated(["+4930123456"]).present.spans == {}


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=30))
def test_the_peak_is_that_of_counting_at_every_moment(calls: list[tuple[int, int]]) -> None:
    spans = [(begin, begin + length) for begin, length in calls]
    at_each = [sum(begin <= at < end for begin, end in spans) for at in range(71)]
    assert peak(spans) == max(at_each)


def test_the_sentence_says_what_moves_and_what_is_lost() -> None:
    moves = {Move("carrier-a", "carrier-b"): 340, Move("carrier-a", None): 12}
    why = "because the route has no trunk left that may be tried"
    assert in_words(1000, {}, {"NONE_AVAILABLE": 12}, moves) == (
        f"340 of 1,000 calls move from carrier-a to carrier-b; 12 are lost by this {why}."
    )
    assert in_words(1000, {}, {"NONE_AVAILABLE": 12, "NO_ROUTE": 2}, moves) == (
        f"340 of 1,000 calls move from carrier-a to carrier-b; 14 are lost (12 {why}, 2 because no"
        " route has the number), 12 of them by this."
    )
    moves = {Move("a", "b"): 2, Move("a", "c"): 1, Move(None, "c"): 1}
    assert in_words(9, {}, {}, moves) == (
        "3 of 9 calls move: 2 from a to b, 1 from a to c; 1 that is lost now finds one; none is"
        " lost."
    )
    assert in_words(9, {}, {}, {}) == "None of 9 calls moves to another trunk; none is lost."
    assert in_words(1000, {"a": 600, "b": 400}, {}) == (
        "1,000 of 1,000 calls find a trunk (600 to a, 400 to b); none is lost."
    )
    assert in_words(0, {}, {}) == "There is no call that could be read."
