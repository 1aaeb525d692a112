"""What is written to a switch, and what is left alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.ports import Entry
from trunkpulse.switching.plan import ENTRIES_PER_TURN, Order, Rightness, plan, planned

maybe = st.sampled_from([True, False, None])
entries_of_a_switch = st.lists(
    st.builds(
        Entry,
        key=st.sampled_from("abcdefgh"),
        uri=st.none(),
        up=maybe,
        group=st.sampled_from(["1", "2", None]),
        held=st.booleans(),
    ),
    unique_by=lambda entry: entry.key,
)
wishes = st.dictionaries(st.sampled_from("abcdefgh"), maybe)


def carried_out(entries: Sequence[Entry], orders: Sequence[Order]) -> list[Entry]:
    told = {order.key: order.up for order in orders}
    return [each._replace(up=told.get(each.key, each.up)) for each in entries]


@given(entries=entries_of_a_switch, wanted=wishes, keep_last=st.booleans())
def test_once_the_orders_are_carried_out_there_are_none_left(
    entries: list[Entry], wanted: Mapping[str, bool | None], *, keep_last: bool
) -> None:
    for _ in range(2 if keep_last else 1):  # what had to wait for another is in the second pass
        first = plan(entries, wanted, keep_last=keep_last)
        entries = carried_out(entries, first.orders)
    after = plan(entries, wanted, keep_last=keep_last)
    assert after.orders == ()


@given(entries=entries_of_a_switch, wanted=wishes, keep_last=st.booleans())
def test_what_nobody_wants_and_what_somebody_holds_is_never_touched(
    entries: list[Entry], wanted: Mapping[str, bool | None], *, keep_last: bool
) -> None:
    known = {each.key: each for each in entries}
    for order in plan(entries, wanted, keep_last=keep_last).orders:
        assert wanted[order.key] is order.up
        assert not known[order.key].held
        assert known[order.key].up is not order.up


@given(entries_of_a_switch, wishes)
def test_with_keep_last_no_group_loses_its_last_entry(
    entries: list[Entry], wanted: Mapping[str, bool | None]
) -> None:
    after = carried_out(entries, plan(entries, wanted, keep_last=True).orders)
    for group in ("1", "2"):
        had = any(
            each.up and each.group == group and (not each.held) and wanted.get(each.key) is False
            for each in entries
        )
        if had:
            assert any(each.up for each in after if each.group == group)


def test_one_that_was_kept_goes_down_once_another_is_up() -> None:
    entries = [Entry("a", None, True, "1"), Entry("b", None, False, "1")]
    assert plan(entries, {"a": False, "b": False}, keep_last=True) == ((), frozenset("a"))
    wanted = {"a": False, "b": True}
    assert plan(entries, wanted, keep_last=True) == ((Order("b", up=True),), frozenset("a"))
    entries[1] = entries[1]._replace(up=True)
    assert plan(entries, wanted, keep_last=True) == ((Order("a", up=False),), frozenset())


def test_only_what_was_right_and_should_still_be_so_has_drifted() -> None:
    rightness = Rightness()
    rightness.note([Entry("a", None, True), Entry("b", None, False)], {"a": True, "b": True})
    assert rightness.drifted([Order("a", up=False)]) == []  # we changed our mind
    assert rightness.drifted([Order("b", up=True)]) == []  # it never was right
    assert rightness.drifted([Order("a", up=True)]) == ["a"]
    assert rightness.drifted([Order("a", up=True)]) == []  # the same drift, not put right yet
    rightness.note([Entry("a", None, True)], {"a": True})
    rightness.forget()
    assert rightness.drifted([Order("a", up=True)]) == []


async def test_very_many_are_planned_bit_by_bit_and_come_to_the_same() -> None:
    count = 3 * ENTRIES_PER_TURN + 1
    entries = [Entry(f"e{n}", None, n % 3 > 0, str(n % 7), held=n % 11 == 0) for n in range(count)]
    wanted = {f"e{n}": n % 5 > 3 for n in range(count)}
    for keep_last in (False, True):
        at_once = plan(entries, wanted, keep_last=keep_last)
        assert await planned(entries, wanted, keep_last=keep_last) == at_once
        assert at_once.orders
