from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.events.filters import StreamIndex, Telling, subscribers
from trunkpulse.model import Destination, EventStream, Reason, StateChange, TrunkState

UNKNOWN, AVAILABLE = TrunkState.UNKNOWN, TrunkState.AVAILABLE
DEGRADED, DOWN = TrunkState.DEGRADED, TrunkState.DOWN
NOTHING: frozenset[tuple[str, str]] = frozenset()
HOOK = Destination(type="webhook", url="http://127.0.0.1:9/hook")
FAILURES = ("KEEPALIVE_FAILURE", "NETWORK_ERROR")


def stream(
    stream_id: str = "noc",
    *,
    reason_codes: tuple[str, ...] = FAILURES,
    trunks: tuple[str, ...] = (),
    event_types: tuple[str, ...] = ("telephony.trunks.stateChange",),
    enabled: bool = True,
) -> EventStream:
    return EventStream(
        id=stream_id,
        name=stream_id,
        destination=HOOK,
        reason_codes=reason_codes,
        trunks=trunks,
        event_types=event_types,
        enabled=enabled,
    )


def change(
    previous: TrunkState, state: TrunkState, reason: Reason, trunk_id: str = "a"
) -> StateChange:
    return StateChange(
        event_id="e",
        trunk_id=trunk_id,
        trunk_name="A",
        sequence=1,
        at_ms=1,
        previous_state=previous,
        state=state,
        reason=reason,
        failed_attempts=0,
        last_success_ms=None,
        instance_id="i",
        region="r",
    )


FAILED = change(AVAILABLE, DOWN, Reason.KEEPALIVE_FAILURE)
RESTORED = change(DOWN, AVAILABLE, Reason.KEEPALIVE_RESTORED)
DISABLED = change(DOWN, DOWN, Reason.ADMIN_DISABLED)
ENABLED = change(DOWN, UNKNOWN, Reason.ADMIN_ENABLED)
OWED = frozenset({("noc", "a")})


def test_a_failure_is_told_and_opens_a_debt() -> None:
    assert subscribers(FAILED, [stream()], NOTHING) == Telling(tell=("noc",), opened=("noc",))


def test_a_further_failure_is_told_and_opens_no_second_debt() -> None:
    worse = change(DEGRADED, DOWN, Reason.NETWORK_ERROR)
    assert subscribers(worse, [stream()], OWED) == Telling(tell=("noc",))


def test_the_recovery_follows_the_failure_and_closes_the_debt() -> None:
    assert subscribers(RESTORED, [stream()], OWED) == Telling(tell=("noc",), closed=("noc",))


def test_a_recovery_alone_is_not_told() -> None:
    assert subscribers(RESTORED, [stream()], NOTHING) == Telling()


def test_a_recovery_of_another_trunk_is_not_owed() -> None:
    other = change(DOWN, AVAILABLE, Reason.KEEPALIVE_RESTORED, trunk_id="b")
    assert subscribers(other, [stream()], OWED) == Telling()


def test_a_partial_recovery_is_told_and_the_rest_stays_owed() -> None:
    better = change(DOWN, DEGRADED, Reason.NETWORK_ERROR)
    assert subscribers(better, [stream(reason_codes=("KEEPALIVE_FAILURE",))], OWED) == Telling(
        tell=("noc",)
    )


def test_a_worsening_of_another_reason_is_not_told_though_a_recovery_is_owed() -> None:
    worse = change(DEGRADED, DOWN, Reason.NETWORK_ERROR)
    assert subscribers(worse, [stream(reason_codes=("KEEPALIVE_FAILURE",))], OWED) == Telling()


@pytest.mark.parametrize("administrative", [DISABLED, ENABLED])
def test_administration_during_an_outage_is_not_told_and_leaves_the_debt(
    administrative: StateChange,
) -> None:
    assert subscribers(administrative, [stream()], OWED) == Telling()


def test_the_recovery_after_re_enabling_is_told() -> None:
    back = change(UNKNOWN, AVAILABLE, Reason.KEEPALIVE_RESTORED)
    assert subscribers(back, [stream()], OWED) == Telling(tell=("noc",), closed=("noc",))


def test_an_audit_stream_is_told_of_everything() -> None:
    audit = stream("audit", reason_codes=("*",))
    told = [
        subscribers(each, [audit], NOTHING).tell for each in (FAILED, DISABLED, ENABLED, RESTORED)
    ]
    assert told == [("audit",)] * 4


def test_unknown_closes_nothing_even_when_it_is_told() -> None:
    audit = stream("audit", reason_codes=("*",))
    assert subscribers(ENABLED, [audit], {("audit", "a")}) == Telling(tell=("audit",))


@pytest.mark.parametrize(
    "deaf",
    [
        stream(enabled=False),
        stream(event_types=()),
        stream(event_types=("something.else",)),
        stream(trunks=("b",)),
    ],
    ids=["disabled", "no types", "other types", "other trunks"],
)
def test_a_stream_that_does_not_cover_the_change_is_not_told_even_if_owed(
    deaf: EventStream,
) -> None:
    assert subscribers(FAILED, [deaf], NOTHING) == Telling()
    assert subscribers(RESTORED, [deaf], OWED) == Telling()


def test_each_stream_is_judged_on_its_own() -> None:
    streams = [stream("x"), stream("y", reason_codes=("NETWORK_ERROR",)), stream("z")]
    assert subscribers(FAILED, streams, {("z", "a")}) == Telling(tell=("x", "z"), opened=("x",))


states = st.sampled_from(TrunkState)
trunk_ids = st.sampled_from(["a", "b", "c"])
some_streams = st.lists(
    st.builds(
        stream,
        st.sampled_from(["s1", "s2", "s3", "s4"]),
        reason_codes=st.one_of(
            st.just(("*",)), st.lists(st.sampled_from(Reason), unique=True).map(tuple)
        ),
        trunks=st.lists(trunk_ids, unique=True, max_size=2).map(tuple),
        enabled=st.booleans(),
    ),
    unique_by=lambda each: each.id,
)
steps = st.lists(st.tuples(trunk_ids, states, st.sampled_from(Reason)), max_size=40)


def changes(walk: Sequence[tuple[str, TrunkState, Reason]]) -> list[StateChange]:
    """A walk of each trunk from UNKNOWN, with any reason at all at each step."""
    now: dict[str, TrunkState] = {}
    made = []
    for trunk_id, state, reason in walk:
        made.append(change(now.get(trunk_id, UNKNOWN), state, reason, trunk_id))
        now[trunk_id] = state
    return made


@given(some_streams, steps)
def test_no_stream_is_left_in_trouble_and_what_is_owed_is_what_was_told(
    streams: list[EventStream], walk: list[tuple[str, TrunkState, Reason]]
) -> None:
    owed: set[tuple[str, str]] = set()
    told_trouble: dict[tuple[str, str], bool] = {}
    final: dict[str, TrunkState] = {}
    for each in changes(walk):
        telling = subscribers(each, streams, owed)
        assert set(telling.opened) | set(telling.closed) <= set(telling.tell)
        opened = {(stream_id, each.trunk_id) for stream_id in telling.opened}
        closed = {(stream_id, each.trunk_id) for stream_id in telling.closed}
        assert not opened & owed
        assert closed <= owed
        owed = (owed | opened) - closed
        for stream_id in telling.tell:
            pair = (stream_id, each.trunk_id)
            if each.state in {DOWN, DEGRADED}:
                told_trouble[pair] = True
            elif each.state is AVAILABLE:
                told_trouble[pair] = False
        assert owed == {pair for pair, trouble in told_trouble.items() if trouble}
        final[each.trunk_id] = each.state
    assert not {pair for pair in owed if final[pair[1]] is AVAILABLE}


@given(some_streams, steps)
def test_the_index_finds_every_stream_that_is_told(
    streams: list[EventStream], walk: list[tuple[str, TrunkState, Reason]]
) -> None:
    index = StreamIndex(streams)
    for each in changes(walk):
        everyone = {(one.id, each.trunk_id) for one in streams}
        for owed in (NOTHING, everyone):
            assert subscribers(each, index.covering(each.trunk_id), owed) == subscribers(
                each, streams, owed
            )


def test_the_index_passes_over_streams_of_other_trunks() -> None:
    index = StreamIndex(
        [stream("own", trunks=("a", "a")), stream("all"), stream("b", trunks=("b",))]
    )
    assert [each.id for each in index.covering("a")] == ["own", "all"]
    assert [each.id for each in index.covering("c")] == ["all"]
