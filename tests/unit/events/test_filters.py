from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.events.filters import Owed, StreamIndex, Telling, subscribers
from trunkpulse.model import (
    Destination,
    Direction,
    EventStream,
    Reason,
    StateChange,
    Trunk,
    TrunkState,
)

UNKNOWN, AVAILABLE = TrunkState.UNKNOWN, TrunkState.AVAILABLE
DEGRADED, DOWN = TrunkState.DEGRADED, TrunkState.DOWN
NOTHING: frozenset[str] = frozenset()
HOOK = Destination(type="webhook", url="http://127.0.0.1:9/hook")
FAILURES = ("KEEPALIVE_FAILURE", "NETWORK_ERROR")
TRUNKS = {
    "a": Trunk(id="a", name="A", targets=(), carrier="acme", direction=Direction.INBOUND),
    "b": Trunk(id="b", name="B", targets=(), carrier="umbrella"),
    "c": Trunk(id="c", name="C", targets=(), direction=Direction.OUTBOUND),
}
REGIONS = {"a": "eu", "b": "us", "c": "eu"}


def stream(
    stream_id: str = "noc",
    *,
    reason_codes: tuple[str, ...] = FAILURES,
    trunks: tuple[str, ...] = (),
    carriers: tuple[str, ...] = (),
    regions: tuple[str, ...] = (),
    directions: tuple[str, ...] = (),
    states: tuple[str, ...] = (),
    event_types: tuple[str, ...] = ("telephony.trunks.stateChange",),
    enabled: bool = True,
    paused: bool = False,
) -> EventStream:
    return EventStream(
        id=stream_id,
        name=stream_id,
        destination=HOOK,
        reason_codes=reason_codes,
        trunks=trunks,
        carriers=carriers,
        regions=regions,
        directions=directions,
        states=states,
        event_types=event_types,
        enabled=enabled,
        paused=paused,
    )


def change(
    previous: TrunkState, state: TrunkState, reason: Reason, trunk_id: str = "a"
) -> StateChange:
    return StateChange(
        event_id="e",
        trunk_id=trunk_id,
        trunk_name=trunk_id.upper(),
        sequence=1,
        at_ms=1,
        previous_state=previous,
        state=state,
        reason=reason,
        failed_attempts=0,
        last_success_ms=None,
        instance_id="i",
        region=REGIONS[trunk_id],
    )


def told(
    happened: StateChange, streams: Iterable[EventStream], owed: Collection[str] = NOTHING
) -> Telling:
    return subscribers(happened, TRUNKS[happened.trunk_id], streams, owed)


FAILED = change(AVAILABLE, DOWN, Reason.KEEPALIVE_FAILURE)
RESTORED = change(DOWN, AVAILABLE, Reason.KEEPALIVE_RESTORED)
BETTER = change(DOWN, DEGRADED, Reason.NETWORK_ERROR)
DISABLED = change(DOWN, DOWN, Reason.ADMIN_DISABLED)
ENABLED = change(DOWN, UNKNOWN, Reason.ADMIN_ENABLED)
OWED = frozenset({"noc"})


def test_a_failure_is_told_and_opens_a_debt() -> None:
    assert told(FAILED, [stream()]) == Telling(tell=("noc",), opened=("noc",))


def test_a_further_failure_is_told_and_opens_no_second_debt() -> None:
    worse = change(DEGRADED, DOWN, Reason.NETWORK_ERROR)
    assert told(worse, [stream()], OWED) == Telling(tell=("noc",))


def test_the_recovery_follows_the_failure_and_closes_the_debt() -> None:
    assert told(RESTORED, [stream()], OWED) == Telling(tell=("noc",), closed=("noc",))


def test_a_recovery_alone_is_not_told() -> None:
    assert told(RESTORED, [stream()]) == Telling()


def test_a_partial_recovery_is_told_and_the_rest_stays_owed() -> None:
    assert told(BETTER, [stream(reason_codes=("KEEPALIVE_FAILURE",))], OWED) == Telling(
        tell=("noc",)
    )


def test_a_worsening_of_another_reason_is_not_told_though_a_recovery_is_owed() -> None:
    worse = change(DEGRADED, DOWN, Reason.NETWORK_ERROR)
    assert told(worse, [stream(reason_codes=("KEEPALIVE_FAILURE",))], OWED) == Telling()


@pytest.mark.parametrize("administrative", [DISABLED, ENABLED])
def test_administration_during_an_outage_is_not_told_and_leaves_the_debt(
    administrative: StateChange,
) -> None:
    assert told(administrative, [stream()], OWED) == Telling()


def test_the_recovery_after_re_enabling_is_told() -> None:
    back = change(UNKNOWN, AVAILABLE, Reason.KEEPALIVE_RESTORED)
    assert told(back, [stream()], OWED) == Telling(tell=("noc",), closed=("noc",))


def test_an_audit_stream_is_told_of_everything() -> None:
    audit = stream("audit", reason_codes=("*",))
    everything = [told(each, [audit]).tell for each in (FAILED, DISABLED, ENABLED, RESTORED)]
    assert everything == [("audit",)] * 4


def test_unknown_closes_nothing_even_when_it_is_told() -> None:
    audit = stream("audit", reason_codes=("*",))
    assert told(ENABLED, [audit], {"audit"}) == Telling(tell=("audit",))


def test_a_paused_stream_is_told_of_everything_that_it_takes() -> None:
    paused = stream(paused=True)
    assert told(FAILED, [paused]) == Telling(tell=("noc",), opened=("noc",))
    assert told(RESTORED, [paused], OWED) == Telling(tell=("noc",), closed=("noc",))


DEAF = {
    "no types": stream(event_types=()),
    "other types": stream(event_types=("something.else",)),
    "other trunks": stream(trunks=("b",)),
    "other carriers": stream(carriers=("umbrella",)),
    "other regions": stream(regions=("us",)),
    "other directions": stream(directions=("outbound", "both")),
    "other states": stream(states=("DEGRADED", "UNKNOWN")),
    "other reasons": stream(reason_codes=("LICENSE_ISSUE",)),
}


@pytest.mark.parametrize("deaf", DEAF.values(), ids=DEAF.keys())
def test_what_a_filter_does_not_take_is_not_told(deaf: EventStream) -> None:
    assert told(FAILED, [deaf]) == Telling()
    assert told(RESTORED, [deaf]) == Telling()


@pytest.mark.parametrize("deaf", DEAF.values(), ids=DEAF.keys())
def test_the_recovery_follows_also_if_the_filters_were_changed_after_the_failure(
    deaf: EventStream,
) -> None:
    assert told(FAILED, [deaf], OWED) == Telling()
    assert told(BETTER, [deaf], OWED) == Telling(tell=("noc",))
    assert told(RESTORED, [deaf], OWED) == Telling(tell=("noc",), closed=("noc",))


@pytest.mark.parametrize(
    "narrow",
    [
        stream(trunks=("x", "a")),
        stream(carriers=("acme",)),
        stream(regions=("eu", "us")),
        stream(directions=("inbound",)),
        stream(states=("DOWN",)),
        stream(
            trunks=("a",),
            carriers=("acme",),
            regions=("eu",),
            directions=("inbound",),
            states=("DOWN",),
        ),
    ],
)
def test_what_every_filter_takes_is_told(narrow: EventStream) -> None:
    assert told(FAILED, [narrow]) == Telling(tell=("noc",), opened=("noc",))


def test_filters_are_all_asked() -> None:
    assert told(FAILED, [stream(trunks=("a",), carriers=("umbrella",))]) == Telling()


def test_a_trunk_without_a_carrier_is_of_none() -> None:
    nobodys = change(AVAILABLE, DOWN, Reason.KEEPALIVE_FAILURE, "c")
    assert told(nobodys, [stream(carriers=("acme", "umbrella"))]) == Telling()
    assert told(nobodys, [stream()]).tell == ("noc",)


def test_a_disabled_stream_takes_nothing_new_and_keeps_the_end_of_what_it_was_told() -> None:
    disabled = stream(enabled=False)
    assert told(FAILED, [disabled]) == Telling()
    assert told(FAILED, [disabled], OWED) == Telling()
    assert told(BETTER, [disabled], OWED) == Telling()
    assert told(RESTORED, [disabled], OWED) == Telling(tell=("noc",), closed=("noc",))


def test_each_stream_is_judged_on_its_own() -> None:
    streams = [stream("x"), stream("y", reason_codes=("NETWORK_ERROR",)), stream("z")]
    assert told(FAILED, streams, {"z"}) == Telling(tell=("x", "z"), opened=("x",))


def test_debts_are_kept_by_trunk_and_end_one_by_one() -> None:
    owed = Owed([("noc", "a"), ("audit", "a"), ("noc", "b")])
    owed.open("a", ("noc", "third"))
    assert owed.to("a") == ("noc", "audit", "third")
    owed.close("a", ("noc", "nobody"))
    assert owed.to("a") == ("audit", "third")
    owed.close("b", ("noc",))
    owed.close("b", ("noc",))
    assert (owed.to("b"), owed.trunks()) == ((), ["a"])


trunk_ids = st.sampled_from(sorted(TRUNKS))


def some(values: Sequence[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), unique=True, max_size=2).map(tuple)


def a_stream(stream_id: st.SearchStrategy[str]) -> st.SearchStrategy[EventStream]:
    return st.builds(
        stream,
        stream_id,
        reason_codes=st.one_of(
            st.just(("*",)), st.lists(st.sampled_from(Reason), unique=True).map(tuple)
        ),
        trunks=some(sorted(TRUNKS)),
        carriers=some(["acme", "umbrella"]),
        regions=some(["eu", "us"]),
        directions=some(list(Direction)),
        states=some(list(TrunkState)),
        enabled=st.booleans(),
        paused=st.booleans(),
    )


some_streams = st.lists(
    a_stream(st.sampled_from(["s1", "s2", "s3", "s4"])), unique_by=lambda each: each.id
)
steps = st.lists(
    st.tuples(trunk_ids, st.sampled_from(TrunkState), st.sampled_from(Reason)), max_size=40
)


def changes(walk: Sequence[tuple[str, TrunkState, Reason]]) -> list[StateChange]:
    """A walk of each trunk from UNKNOWN, with any reason at all at each step."""
    now: dict[str, TrunkState] = {}
    made = []
    for trunk_id, state, reason in walk:
        made.append(change(now.get(trunk_id, UNKNOWN), state, reason, trunk_id))
        now[trunk_id] = state
    return made


@given(st.lists(a_stream(st.just("s")), min_size=1), steps, st.data())
def test_no_stream_is_left_in_trouble_however_its_filters_are_edited(
    versions: list[EventStream], walk: list[tuple[str, TrunkState, Reason]], data: st.DataObject
) -> None:
    owed = Owed()
    in_trouble: dict[str, bool] = {}
    final: dict[str, TrunkState] = {}
    for each in changes(walk):
        edited = data.draw(st.sampled_from(versions))
        telling = told(each, [edited], owed.to(each.trunk_id))
        assert set(telling.opened) | set(telling.closed) <= set(telling.tell)
        assert not set(telling.opened) & set(owed.to(each.trunk_id))
        assert set(telling.closed) <= set(owed.to(each.trunk_id))
        owed.open(each.trunk_id, telling.opened)
        owed.close(each.trunk_id, telling.closed)
        if telling.tell and each.state is not UNKNOWN:
            in_trouble[each.trunk_id] = each.state is not AVAILABLE
        assert {trunk for trunk, trouble in in_trouble.items() if trouble} == set(owed.trunks())
        final[each.trunk_id] = each.state
    assert not [trunk for trunk in owed.trunks() if final[trunk] is AVAILABLE]


@given(some_streams, steps)
def test_the_index_finds_every_stream_that_is_told(
    streams: list[EventStream], walk: list[tuple[str, TrunkState, Reason]]
) -> None:
    index = StreamIndex(streams)
    for each in changes(walk):
        for owed in ((), tuple(one.id for one in reversed(streams)), ("gone",)):
            found = index.candidates(each, TRUNKS[each.trunk_id], owed)
            assert told(each, found, owed) == told(each, streams, owed)


def test_the_index_passes_over_streams_of_others() -> None:
    index = StreamIndex(
        [
            stream("b", trunks=("b",), carriers=("acme",)),
            stream("own", trunks=("a", "a")),
            stream("all"),
            stream("acme", carriers=("acme",), regions=("us",)),
            stream("us", regions=("us",)),
            stream("eu", regions=("eu",)),
            stream("off", enabled=False),
            stream("umbrella", carriers=("umbrella",)),
        ]
    )

    def candidates(trunk_id: str, owed: Sequence[str] = ()) -> list[str]:
        happened = change(AVAILABLE, DOWN, Reason.KEEPALIVE_FAILURE, trunk_id)
        return [each.id for each in index.candidates(happened, TRUNKS[trunk_id], owed)]

    assert candidates("a") == ["own", "all", "acme", "eu"]
    assert candidates("b") == ["b", "all", "us", "umbrella"]
    assert candidates("c") == ["all", "eu"]
    assert candidates("c", ("off", "us", "gone", "eu")) == ["all", "us", "eu", "off"]


def test_a_trunk_that_moves_to_another_carrier_still_recovers_for_those_who_were_told() -> None:
    acme = stream("noc", carriers=("acme",))
    moved = replace(TRUNKS["a"], carrier="umbrella")
    index = StreamIndex([acme])
    found = index.candidates(RESTORED, moved, ("noc",))
    assert subscribers(RESTORED, moved, found, ("noc",)).closed == ("noc",)
