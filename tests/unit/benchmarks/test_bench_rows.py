from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console

from benchmarks.detection import Detected, detected_of
from benchmarks.findings import FLOOR, KAMAILIO, TRUNKPULSE, Findings
from benchmarks.load import Load, Measurement, target_uri
from benchmarks.pages import (
    BEGINS,
    ENDS,
    GAUGE_COLUMNS,
    TABLE_COLUMNS,
    as_json,
    as_picture,
    as_table,
    as_text,
    gauge,
    put_into_page,
)
from benchmarks.redirecting import Redirected
from benchmarks.rows import Bar, Row, Unit, Verdict, written
from benchmarks.serving import Served, quantile

SMALL, LARGE = Load(10_000, 1.0, 10.0), Load(1_000_000, 30.0, 60.0)


def cost(sent: int, microseconds: float, lost: int = 0) -> Measurement:
    return Measurement(
        sent=sent,
        answered=sent - lost,
        cpu_seconds=sent * microseconds / 1e6,
        lateness_p50_seconds=0.001,
        lateness_p99_seconds=0.04,
        empty_bytes=100_000_000,
        loaded_bytes=100_000_000 + 800 * 10_000,
    )


def findings(ours: float = 20.0, *, lost: int = 0) -> Findings:
    found = Findings()
    found.probing = {
        (SMALL, FLOOR): cost(20_000, 10.0),
        (SMALL, TRUNKPULSE): cost(20_000, ours, lost),
        (SMALL, KAMAILIO): cost(20_000, 150.0),
        (LARGE, FLOOR): cost(2_000_000, 6.0),
        (LARGE, TRUNKPULSE): cost(2_000_000, 15.0),
    }
    return found


def verdicts(found: Findings, group: str) -> dict[tuple[str, str], Verdict]:
    return {
        (row.what, row.beside): row.verdict for row in found.rows() if row.group.startswith(group)
    }


def test_a_row_is_held_against_its_bar_by_its_ratio() -> None:
    def row(ours: float | None, bar: Bar | None) -> Row:
        return Row(
            group="g",
            what="w",
            unit=Unit.SECONDS,
            ours=ours,
            beside="floor",
            theirs=2.0,
            bar=bar,
        )

    assert row(6.0, Bar(3.0)).verdict is Verdict.MET
    assert row(6.1, Bar(3.0)).verdict is Verdict.MISSED
    assert row(6.1, None).verdict is Verdict.NO_BAR
    assert row(None, Bar(3.0)).verdict is Verdict.NOT_MEASURED
    assert row(1.9, Bar(1.0, at_least=True)).verdict is Verdict.MISSED
    assert row(2.0, Bar(1.0, at_least=True)).verdict is Verdict.MET


def test_what_a_bar_leaves_is_shown_either_way_round() -> None:
    assert Bar(4.0).used(1.0) == pytest.approx(0.25)
    assert Bar(1.0, at_least=True).used(4.0) == pytest.approx(0.25)
    assert Bar(1.0, at_least=True).used(0.0) > 1
    assert gauge(0.5) == "█████     "
    assert gauge(0.0) == "▏         "
    assert gauge(7.0) == "█" * GAUGE_COLUMNS
    assert {len(gauge(share / 100)) for share in range(120)} == {GAUGE_COLUMNS}


def test_figures_are_written_with_their_unit() -> None:
    assert written(12.345, Unit.MICROSECONDS) == "12.3 μs"
    assert written(123_456.7, Unit.PER_SECOND) == "123,457 /s"


def test_cost_is_compared_with_each_peer_of_the_same_load_and_with_itself() -> None:
    assert verdicts(findings(), "CPU") == {
        ("10,000 every 1 s", FLOOR): Verdict.MET,
        ("10,000 every 1 s", KAMAILIO): Verdict.MET,
        ("1,000,000 every 30 s", FLOOR): Verdict.MET,
        ("1,000,000 every 30 s, is it flat?", "at 10,000"): Verdict.MET,
    }
    dear = verdicts(findings(31.0), "CPU")
    assert dear["10,000 every 1 s", FLOOR] is Verdict.MISSED
    assert dear["10,000 every 1 s", KAMAILIO] is Verdict.MISSED  # more than a seventh


def test_a_cost_that_grows_with_the_targets_is_not_flat() -> None:
    flat = verdicts(findings(9.9), "CPU")["1,000,000 every 30 s, is it flat?", "at 10,000"]
    assert flat is Verdict.MISSED


def test_memory_is_what_came_on_top_of_the_empty_process() -> None:
    few, million = (row for row in findings().rows() if row.group == "Memory a target")
    assert few.ours == pytest.approx(800)
    assert few.verdict is Verdict.NO_BAR
    assert million.verdict is Verdict.MET


def test_a_floor_measured_twice_is_that_of_both_times() -> None:
    quick, slow = (Measurement(sent=100, answered=100, cpu_seconds=each) for each in (1.0, 2.0))
    assert quick.and_again(slow) == Measurement(sent=200, answered=200, cpu_seconds=3.0)


def test_detection_is_the_worst_of_all_and_says_what_was_missed() -> None:
    found = detected_of(100.0, [130.0, None, 145.5, 110.0])
    assert found == Detected(trunks=4, missed=1, worst_seconds=45.5, median_seconds=30.0)
    result = Findings(detection={"default": {"blackholed": found}, "plain": {"blackholed": found}})
    assert verdicts(result, "Detection") == {
        ("blackholed, default settings", "bar"): Verdict.MET,
        ("blackholed, default settings", "3 x 30 s"): Verdict.NO_BAR,
    }
    assert len(result.losses()) == 2


def test_probes_that_were_lost_are_said_with_where_and_peers_may_lose_theirs() -> None:
    assert findings().losses() == []
    found = findings(lost=3)
    found.laid[SMALL] = " The answering side overflowed 3 times."
    found.probing[SMALL, KAMAILIO] = cost(20_000, 150.0, lost=7_000)
    assert found.losses() == [
        "10,000 every 1 s: 3 of 20,000 probes were lost. The answering side overflowed 3 times."
    ]


def test_start_up_and_lists_have_the_bars_of_their_size() -> None:
    served = Served(
        trunks=100_000,
        start_empty_seconds=4.9,
        start_filled_seconds=5.1,
        list_p99_seconds=0.06,
        lists=280,
    )
    found = Findings(served={100_000: served})
    assert verdicts(found, "Start") == {
        ("100,000 trunks, empty database", "bar"): Verdict.MET,
        ("100,000 trunks, filled database", "bar"): Verdict.MISSED,
    }
    assert verdicts(found, "API") == {("100,000 trunks", "bar"): Verdict.MISSED}


def test_a_quantile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(1, 101)]
    assert quantile(values, 0.99) == 99.0
    assert quantile(values, 0.5) == 50.0
    assert quantile([7.0], 0.99) == 7.0
    assert quantile([], 0.99) == 0.0


def test_the_table_has_room_for_every_cell() -> None:
    found = findings()
    found.webhooks = {"changes_per_second": 100.0, "p99_seconds": 0.05, "lost": 0}
    found.decisions_per_second = 123_456.0
    found.probing[Load(100_000, 10.0, 10.0), FLOOR] = cost(100_000, 8.0)  # and none of ours
    console = Console(width=TABLE_COLUMNS, file=io.StringIO())
    with console.capture() as printed:
        console.print(as_table(found.rows(), "Title"))
    text = printed.get()
    assert "…" not in text
    assert "not measured" in text
    assert "1,000,000 every 30 s, is it flat?" in text
    assert re.search(r"10,000 every 1 s +20\.0 μs +Kamailio +150\.0 μs +0\.13 +≤ 0\.14 x", text)


def test_the_json_holds_machine_rows_and_raw_figures() -> None:
    read = json.loads(as_json(findings(), {"cores": 2}, quick=True))
    assert read["machine"] == {"cores": 2}
    assert read["quick"] is True
    assert read["rows"][0]["ratio"] == pytest.approx(2.0)
    assert read["rows"][0]["verdict"] == "met"
    assert {entry["prober"] for entry in read["probing"]} == {FLOOR, TRUNKPULSE, KAMAILIO}
    assert read["lost"] == []


def test_the_picture_fetches_nothing_from_anywhere() -> None:
    picture = as_picture(as_table(findings().rows(), "Title"), "below")
    assert re.findall(r"https?://[^\"\s)]*", picture) == ["http://www.w3.org/2000/svg"]
    assert "@font-face" not in picture
    assert "Kamailio" in picture


def test_what_was_printed_takes_the_place_of_the_last_table() -> None:
    text = as_text(as_table(findings().rows(), "Title"), "below")
    page = f"# Page\n\n{BEGINS}\nold\n{ENDS}\n\nMore.\n"
    new = put_into_page(page, text)
    assert new == f"# Page\n\n{BEGINS}\n```text\n{text}```\n{ENDS}\n\nMore.\n"
    assert put_into_page(new, text) == new
    assert not re.search(r" $", text, re.MULTILINE)
    with pytest.raises(ValueError, match="lacks the lines"):
        put_into_page("# Page\n", text)


def test_a_million_targets_have_addresses_of_their_own() -> None:
    numbers = [0, 249, 250, 62_499, 62_500, 999_999]
    assert len({target_uri(number, 5060) for number in numbers}) == len(numbers)


def test_redirects_stand_beside_their_bars_and_beside_kamailio_if_it_was_there() -> None:
    found = findings()
    ours = Redirected(calls_per_second=9_000.0, p99_seconds=0.006, lost=0)
    found.redirected = {TRUNKPULSE: ours}
    assert verdicts(found, "Redirect") == {
        ("as many as it takes", "bar"): Verdict.MET,
        ("5,000 calls a second", "bar"): Verdict.MISSED,
    }
    found.redirected[KAMAILIO] = Redirected(calls_per_second=60_000, p99_seconds=0.001, lost=3)
    assert ("as many as it takes", KAMAILIO) in verdicts(found, "Redirect")
    assert found.losses() == []
    found.redirected[TRUNKPULSE] = Redirected(calls_per_second=9_000.0, p99_seconds=0.006, lost=1)
    assert found.losses() == ["Redirects: 1 calls were not redirected."]
