from __future__ import annotations

import json
import time

import pytest

from trunkpulse.cli.document import Document
from trunkpulse.cli.trunk_numbers import ALL_LOST, Step, spark_line
from trunkpulse.cli.trunk_sheet import numbers_so_far, percent
from trunkpulse.model import TargetState
from trunkpulse.ports import MinuteNumbers
from unit.cli.api_service import service
from unit.http.api_parts import SetClock
from unit.http.api_world import World

COUNTED = "41 answers and 1 loss since the start"
NUMBERS: dict[str, float | None] = {
    "answers": 41, "losses": 1, "rttMs": 13.0, "smoothedRttMs": 12.46, "jitterMs": 0.35,
    "lossShare": 0.0625,
}  # fmt: skip


@pytest.fixture
def present(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command reads this machine's clock, so the service is given the same one."""
    monkeypatch.setattr(SetClock, "wall", lambda _: time.time())


async def kept(world: World, *minutes: tuple[int, int, int, float]) -> None:
    """Have these minutes of carrier-b in the store: how long ago, answers, losses, mean in s."""
    now = int(world.clock.wall()) // 60
    await world.store.add_minutes(
        [
            MinuteNumbers(
                trunk_id="carrier-b",
                uri="sip:[::1]:5063",
                place="udp:[::1]:5063",
                minute=now - ago,
                answers=answers,
                losses=losses,
                rtt_sum_seconds=mean * answers,
                rtt_max_seconds=mean * 2,
                smoothed_rtt_seconds=mean,
                jitter_seconds=mean / 10 if answers else None,
                state=TargetState.AVAILABLE if answers else TargetState.DOWN,
            )
            for ago, answers, losses, mean in minutes
        ]
    )


@pytest.mark.usefixtures("present")
async def test_the_last_hour_is_a_line_of_bars_and_a_table() -> None:
    async with service() as there:
        await kept(there.world, (31, 2, 0, 0.02), (30, 1, 1, 0.08), (2, 0, 3, 0.0), (1, 4, 0, 0.04))
        out = await there.said("trunks", "numbers", "carrier-b")
    title, line, heading, *rows = out.splitlines()
    assert title == "sip:[::1]:5063"
    bars, _, told = line.partition("  40.0 ms")
    assert bars.strip().replace(" ", "") == f"▃█{ALL_LOST}▅"
    assert told == ", at most 160.0 ms; 4 of 11 attempts lost"
    assert heading.split() == ["FROM", "ANSWERS", "LOST", "LOSS", "MEAN", "MAX", "JITTER", "STATE"]
    cells = [row.split()[2:] for row in rows]
    assert sum(int(row[0]) for row in cells) == 7
    assert sum(int(row[1]) for row in cells) == 4
    assert [row.split()[-1] for row in rows][-1] == "AVAILABLE"
    assert len(rows) <= 12


@pytest.mark.usefixtures("present")
async def test_a_few_minutes_have_a_row_each() -> None:
    async with service() as there:
        await kept(there.world, *((ago, 1, 0, 0.02) for ago in (4, 3, 2, 1)))
        few = await there.said("trunks", "numbers", "carrier-b")
    assert len(few.splitlines()) == 3 + 4


@pytest.mark.usefixtures("present")
@pytest.mark.parametrize(("arguments", "minutes"), [((), 5), (("--step", "15"), 15)])
async def test_rows_begin_at_multiples_of_their_length(
    arguments: tuple[str, ...], minutes: int
) -> None:
    async with service() as there:
        await kept(there.world, *((ago, 1, 0, 0.02) for ago in range(1, 59)))
        out = await there.said("trunks", "numbers", "carrier-b", *arguments)
    _, _, _, *rows = out.splitlines()
    assert 60 / minutes <= len(rows) <= 60 / minutes + 1
    for row in rows:
        _, clock, answers, *_ = row.split()
        assert int(clock[3:5]) % minutes == 0
        assert clock.endswith(":00")
        assert int(answers) <= minutes


@pytest.mark.usefixtures("present")
async def test_many_hours_are_shown_in_as_many_steps() -> None:
    async with service() as there:
        await kept(there.world, *((ago, 1, 0, 0.02) for ago in range(1, 1400, 7)))
        out = await there.said("trunks", "numbers", "carrier-b", "--hours", "24")
        asked = json.loads(await there.said("trunks", "numbers", "carrier-b", "--hours", "24",
                                            "--json"))  # fmt: skip
    _, line, _, *rows = out.splitlines()
    assert 56 <= line.count("█") <= 61
    assert 11 <= len(rows) <= 13
    assert asked["nextCursor"] is None
    assert sum(each["answers"] for each in asked["entities"]) == 200


@pytest.mark.usefixtures("present")
async def test_nothing_kept_is_told_with_what_to_do() -> None:
    async with service() as there:
        assert await there.said("trunks", "numbers", "carrier-b") == (
            "Nothing is kept of carrier-b from the last hour; numbers.rollup_trunks in the "
            "configuration says of how many trunks it is.\n"
        )
        outcome = await there.command("trunks", "numbers", "carrier-z")
    assert (outcome.code, outcome.complaint) == (1, "There is no trunk with the id carrier-z.")


async def test_show_and_explain_tell_the_numbers_so_far() -> None:
    async with service() as there:
        numbers, index = there.world.roster.numbers, there.world.target("carrier-b").index
        before = await there.said("trunks", "show", "carrier-b")
        numbers.reset(index)
        for rtt in (0.0125, 0.0125):
            numbers.answered(index, rtt, 200)
        numbers.lost(index)
        shown = await there.said("trunks", "show", "carrier-b")
        explained = await there.said("trunks", "explain", "carrier-b")
    line = (
        "round trip 12.5 ms, jitter 0.0 ms, 33.3 % lost lately; "
        "2 answers and 1 loss since the start"
    )
    assert "since the start" not in before
    assert f"- sip:[::1]:5063: {line}\n" in shown
    assert f"\n  {line}\n" in explained


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {},
            f"round trip 12.5 ms, jitter 0.3 ms, 6.2 % lost lately; {COUNTED}",
        ),
        (
            {"answers": 0, "smoothedRttMs": None, "jitterMs": None, "lossShare": 1},
            "100.0 % lost lately; 0 answers and 1 loss since the start",
        ),
        ({"lossShare": None}, None),
    ],
)
def test_the_line_leaves_out_what_is_not_known(
    changed: dict[str, float | None], said: str | None
) -> None:
    assert numbers_so_far(Document({"numbers": NUMBERS | changed})) == said


@pytest.mark.parametrize(
    ("share", "said"), [(0, "0.0 %"), (0.0003, "< 0.1 %"), (0.5, "50.0 %"), (1, "100.0 %")]
)
def test_a_share_that_is_not_quite_nothing_is_not_shown_as_nothing(share: float, said: str) -> None:
    assert percent(share) == said


def test_bars_go_from_nothing_to_the_longest() -> None:
    def step(answers: int, mean_ms: float) -> Step:
        return Step(0, answers, 1, mean_ms, mean_ms, None, "AVAILABLE")

    steps = {0: step(1, 1.0), 1: step(0, 0.0), 3: step(2, 8.0), 4: step(1, 4.0)}
    assert spark_line(steps, 6) == f"▂{ALL_LOST} █▅ "
    assert spark_line({0: step(1, 0.0)}, 1) == "▁"
    assert spark_line({}, 2) == "  "
