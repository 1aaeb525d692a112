"""Rounds of one switch, one at a time: what is written, in which order, and what is given back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from simulation.paper_switch import settings
from trunkpulse.adapters.clock import SystemClock
from trunkpulse.config.switches import LastOfGroup
from trunkpulse.model import TargetState, TrunkState
from trunkpulse.ports import Entry, SwitchRefused, SwitchUnreachable
from trunkpulse.switching.loop import SwitchLoop
from trunkpulse.switching.report import LinkState
from trunkpulse.switching.standing import TargetStanding, TrunkStanding

KEEP = settings(when_none_available=LastOfGroup.KEEP_LAST)


class Sheet:
    """A switch whose every answer is decided by the test."""

    by_address = True

    def __init__(self, *states: bool, group: str = "1") -> None:
        self.entries = [
            Entry(f"{number}", f"sip:192.0.2.{number}", up, group)
            for number, up in enumerate(states, 1)
        ]
        self.orders: list[tuple[str, bool]] = []
        self.on_order: Callable[[str, bool], None] = lambda key, up: None
        self.is_deaf = False
        """It takes orders and does nothing."""
        self.on_read: Callable[[], None] = lambda: None

    async def read(self, names: Sequence[str]) -> Sequence[Entry]:
        self.on_read()
        return list(self.entries)

    async def write(self, key: str, *, up: bool) -> None:
        self.orders.append((key, up))
        self.on_order(key, up)
        if self.is_deaf:
            return
        self.entries = [each._replace(up=up) if each.key == key else each for each in self.entries]

    async def close(self) -> None:
        """Nothing is open."""

    @property
    def states(self) -> list[bool | None]:
        return [each.up for each in self.entries]


class Few(dict[str, TrunkStanding]):
    """Trunks that are as the test says."""

    def ids(self) -> Iterable[str]:
        return self

    def standing(self, trunk_id: str) -> TrunkStanding | None:
        return self.get(trunk_id)


def at(number: int, state: str, **others: Any) -> TrunkStanding:
    target = TargetStanding(f"sip:192.0.2.{number}:5060", None, TargetState(state))
    standing = TrunkStanding(TrunkState(state), in_service=True, targets=(target,))
    return standing._replace(**others)


def looked_after(sheet: Sheet, trunks: Few, **others: Any) -> SwitchLoop:
    return SwitchLoop(
        others.pop("told", settings()),
        sheet,
        trunks,
        clock=SystemClock(),
        rng=random.Random(1),
        **others,
    )


async def test_what_was_taken_out_is_given_back_once_nobody_decides() -> None:
    for end in ({"a": at(1, "UNKNOWN", watched=False)}, {"a": at(7, "DOWN")}, {}):
        sheet, trunks = Sheet(True), Few(a=at(1, "DOWN"))
        loop = looked_after(sheet, trunks)
        await loop._round()
        assert sheet.states == [False]
        trunks.clear()
        trunks.update(end)
        loop.listed("a")
        await loop._round()
        assert sheet.orders == [("1", False), ("1", True)]
        assert loop.report().in_sync
        sheet.entries = [sheet.entries[0]._replace(up=False)]  # a hand does it: it is not ours
        await loop._round()
        assert sheet.states == [False]


async def test_what_somebody_else_took_out_is_never_given_back() -> None:
    sheet, trunks = Sheet(False), Few(a=at(1, "DOWN"))
    loop = looked_after(sheet, trunks)
    await loop._round()
    trunks.clear()
    loop.listed("a")
    await loop._round()
    assert sheet.orders == []
    assert loop.report().unmatched == 1


async def test_what_is_not_known_yet_or_must_not_be_said_is_left_out() -> None:
    sheet, trunks = Sheet(True), Few(a=at(1, "DOWN"))
    loop = looked_after(sheet, trunks)
    for standing in (at(1, "DOWN"), at(1, "UNKNOWN"), at(1, "DOWN", licensed=False)):
        trunks["a"] = standing
        await loop._round()
        assert sheet.orders == [("1", False)]


async def test_a_group_that_is_no_longer_looked_after_is_given_back_by_the_next_loop() -> None:
    sheet, trunks = Sheet(True, group="pbx:7"), Few(a=at(1, "DOWN"))
    loop = looked_after(sheet, trunks)
    await loop._round()
    assert loop.taken.groups_besides({1}) == [7]
    assert loop.taken.groups_besides({7}) == []
    after = looked_after(sheet, trunks, told=settings(groups=(1,)), taken=loop.taken)
    await after._round()
    assert sheet.states == [True]
    await after._round()
    assert after.lines == ()  # and not looked at any more


async def test_a_trunk_that_a_switch_is_no_longer_told_of_by_name_is_given_back() -> None:
    sheet, trunks = Sheet(), Few(a=at(1, "DOWN"))
    sheet.by_address = False
    sheet.entries = [Entry("a", None, up=True)]
    loop = looked_after(sheet, trunks)
    await loop._round()
    assert sheet.states == [False]
    after = looked_after(sheet, trunks, told=settings(trunks=("b",)), taken=loop.taken)
    assert list(after._names()) == ["a", "b"]
    await after._round()
    assert sheet.states == [True]
    assert list(after._names()) == ["b"]


async def test_an_order_that_is_no_longer_wanted_is_not_carried_out() -> None:
    sheet, trunks = Sheet(False, False), Few(a=at(1, "AVAILABLE"), b=at(2, "AVAILABLE"))
    loop = looked_after(sheet, trunks)

    def b_dies(key: str, up: bool) -> None:  # noqa: FBT001 - as it is written
        trunks["b"] = at(2, "DOWN")

    sheet.on_order = b_dies
    await loop._round()
    assert sheet.orders == [("1", True)]
    assert not loop.report().in_sync
    await loop._round()
    assert loop.report().in_sync


async def test_the_last_one_of_a_group_goes_down_only_once_another_is_up() -> None:
    trunks = Few(a=at(1, "DOWN"), b=at(2, "AVAILABLE"))
    sheet = Sheet(True, False)
    await looked_after(sheet, trunks, told=KEEP)._round()
    assert sheet.orders == [("2", True), ("1", False)]

    def refuse(key: str, up: bool) -> None:  # noqa: FBT001 - as it is written
        raise SwitchRefused("The switch takes no orders; ask somebody else.")

    sheet = Sheet(True, False)
    sheet.on_order = refuse
    loop = looked_after(sheet, trunks, told=KEEP)
    await loop._round()
    assert sheet.orders == [("2", True)]
    assert sheet.states == [True, False]
    assert not loop.report().in_sync


async def test_one_order_without_an_answer_does_not_hold_up_the_others() -> None:
    sheet, trunks = Sheet(True, True), Few(a=at(1, "DOWN"), b=at(2, "DOWN"))

    def lose(key: str, up: bool) -> None:  # noqa: FBT001 - as it is written
        if key == "1":
            raise SwitchUnreachable("The switch does not answer; check that it runs.")

    sheet.on_order = lose
    loop = looked_after(sheet, trunks)
    await loop._round()
    assert sheet.states == [True, False]
    report = loop.report()
    assert (report.link, report.in_sync, report.failures) == (LinkState.CONNECTED, False, 1)
    await loop._round()
    assert sheet.orders == [("1", False), ("2", False)]  # it waits for longer than that
    sheet.on_order = lambda key, up: None
    loop._troubles.hurry()
    await loop._round()
    assert sheet.states == [False, False]
    assert loop.report().in_sync


async def test_a_switch_that_answers_no_order_at_all_is_not_asked_for_all_of_them() -> None:
    sheet = Sheet(*[True] * 9)
    trunks = Few({f"t{number}": at(number, "DOWN") for number in range(1, 10)})

    def lose(key: str, up: bool) -> None:  # noqa: FBT001 - as it is written
        raise SwitchUnreachable("The switch does not answer; check that it runs.")

    sheet.on_order = lose
    loop = looked_after(sheet, trunks)
    for _ in range(3):
        await loop._round()
    assert loop.report().link is LinkState.UNREACHABLE
    assert [key for key, _ in sheet.orders] == list("123456789")


async def test_a_switch_that_takes_an_order_and_does_nothing_is_told_once_a_round() -> None:
    sheet, trunks = Sheet(True), Few(a=at(1, "DOWN"))
    sheet.is_deaf = True
    loop = looked_after(sheet, trunks)
    await loop._round()
    assert sheet.orders == [("1", False)]
    assert not loop.report().in_sync


async def test_a_defect_costs_a_round_and_neither_the_loop_nor_the_node() -> None:
    sheet, trunks = Sheet(True), Few(a=at(1, "DOWN"))

    def stumble() -> None:
        raise NotImplementedError("qop")

    sheet.on_read = stumble
    loop = looked_after(sheet, trunks)
    assert await loop._round() is not None
    report = loop.report()
    assert report.link is LinkState.UNREACHABLE
    assert "switch.defect" in (report.problem or "")
    sheet.on_read = lambda: None
    assert await loop._round() is None
    assert sheet.states == [False]
