from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from trunkpulse.cli import route_simulation
from unit.cli.api_service import Service, service

SIMULATE = ("routes", "simulate")


async def well(there: Service) -> None:
    there.world.succeed("carrier-a")
    there.world.succeed("carrier-a", place=1)
    there.world.succeed("carrier-b")


async def test_a_supposed_outage_shows_which_calls_move() -> None:
    async with service() as there:
        await well(there)
        out = await there.said(
            *SIMULATE, "+15551230001", "+4930123456", "--suppose", "carrier-a=DOWN"
        )
    assert out.startswith("2 of 2 calls move from carrier-a to carrier-b; none is lost.\n")
    rows = [line.split() for line in out.splitlines()]
    assert ["TRUNK", "CALLS", "AS", "SUPPOSED", "DIFFERENCE"] in rows
    assert ["carrier-a", "2", "0", "-2"] in rows
    assert ["carrier-b", "0", "2", "+2"] in rows
    assert ["carrier-a", "carrier-b", "2", "+15551230001,", "+4930123456"] in rows


async def test_calls_that_are_lost_end_it_with_1() -> None:
    async with service() as there:
        await well(there)
        now = await there.command(*SIMULATE, "+15551230001")
        lost = await there.command(*SIMULATE, "+15551230001", "--suppose", "all=DOWN")
        no_route = await there.command(*SIMULATE, "+33123456789")
    assert (now.code, lost.code, no_route.code) == (0, 1, 1)
    assert "because the route has no trunk left" in lost.out
    assert "+33123456789" in no_route.out


async def test_a_log_goes_in_pieces_and_comes_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "calls.csv"
    lines = [f"{n},+1555{n:07},{1_700_000_000 + 10 * n},25\n" for n in range(60)]
    log.write_text("id,to,time,seconds\n" + "".join(lines) + "99,anonymous,,\n")
    command = (*SIMULATE, "--log", str(log), "--suppose", "carrier-a=DOWN", "--seed", "5")
    async with service() as there:
        await well(there)
        whole = json.loads(await there.said(*command, "--json"))
        monkeypatch.setattr(route_simulation, "CALLS_PER_PIECE", 7)
        pieces = json.loads(await there.said(*command, "--json"))
        out = await there.said(*command)
    assert pieces == whole
    assert whole["calls"] == 60
    assert whole["present"]["trunks"] == [{"trunkId": "carrier-a", "calls": 60, "peak": 3}]
    assert whole["supposed"]["trunks"] == [{"trunkId": "carrier-b", "calls": 60, "peak": 3}]
    why = "what was dialled is neither a telephone number nor a short number of a route"
    assert f"1 call passed over: {why} (row 61: anonymous)." in out
    assert "Columns that are not read: id." in out


@pytest.mark.parametrize("columns", ["to,cause", "to,from,cause", "cause,to"])
async def test_calls_without_a_number_are_passed_over_in_whatever_pieces(
    columns: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "calls.csv"
    calls: tuple[dict[str, str], ...] = (
        {"to": "+15551230001", "cause": "16"},
        {"cause": "21"},
        {"to": "  ", "cause": "17"},
        {},
        {"to": "+15551230002"},
    )
    rows = (",".join(each.get(name, "") for name in columns.split(",")) for each in calls)
    log.write_text("\n".join((columns, *rows)))
    async with service() as there:
        await well(there)
        whole = json.loads(await there.said(*SIMULATE, "--log", str(log), "--json"))
        monkeypatch.setattr(route_simulation, "CALLS_PER_PIECE", 1)
        pieces = json.loads(await there.said(*SIMULATE, "--log", str(log), "--json"))
        out = await there.said(*SIMULATE, "--log", str(log))
    assert pieces == whole
    assert whole["present"]["trunks"] == [{"trunkId": "carrier-a", "calls": 2, "peak": None}]
    assert "2 calls passed over: " in out
    assert "(row 2: empty, row 3: empty)" in out


async def test_a_log_may_call_its_columns_otherwise(tmp_path: Path) -> None:
    log = tmp_path / "calls.csv"
    log.write_text(
        '"src","dst","start","billsec","to"\n"10","+15551230001","1700000000","25","x"\n'
    )
    names = ("--column", "to=dst", "--column", "time=start", "--column", "seconds=billsec")
    async with service() as there:
        await well(there)
        out = await there.said(*SIMULATE, "--log", str(log), *names)
    rows = [line.split() for line in out.splitlines()]
    assert ["TRUNK", "CALLS", "AT", "ONCE"] in rows
    assert ["carrier-a", "1", "1"] in rows
    assert "Columns that are not read: src, to." in out


def stdin(content: bytes) -> io.TextIOWrapper:
    """Standard input as it is where the locale is C."""
    return io.TextIOWrapper(io.BytesIO(content), encoding="ascii", errors="surrogateescape")


async def test_a_log_on_standard_input_is_utf_8_whatever_the_locale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin("\ufeffto,Gebühr\r\n+15551230001,1\r\n".encode()))
    async with service() as there:
        await well(there)
        out = await there.said(*SIMULATE, "--log", "-")
        monkeypatch.setattr(sys, "stdin", stdin(b"to\n+1555\xff\n"))
        refused = await there.command(*SIMULATE, "--log", "-")
    assert "Columns that are not read: Gebühr." in out
    assert refused.code == 2
    assert "is not UTF-8" in refused.complaint


@pytest.mark.parametrize(("zone", "lost"), [((), 1), (("--timezone", "Asia/Kolkata"), 0)])
async def test_times_without_an_offset_are_those_of_a_zone(
    zone: tuple[str, ...], lost: int, tmp_path: Path
) -> None:
    log = tmp_path / "calls.csv"
    times = ("2026-11-23 05:30", "2026-11-23T00:00:30Z")
    log.write_text("to,time,seconds\n" + "".join(f"+31201234567,{each},60\n" for each in times))
    async with service() as there:
        await well(there)
        await there.said(
            *("routes", "create", "night", "--trunk", "carrier-a", "--trunk", "carrier-b:2"),
            *("--number", "+31", "--time", "00:00-00:01"),
        )
        outcome = await there.command(*SIMULATE, "--log", str(log), *zone, "--json")
    assert outcome.code == lost
    present = json.loads(outcome.out)["present"]
    assert [each["reason"] for each in present["lost"]] == ["OUT_OF_HOURS"] * lost
    assert [(each["calls"], each["peak"]) for each in present["trunks"]] == [(2 - lost, 2 - lost)]


async def test_what_is_supposed_of_nobody_is_said() -> None:
    async with service() as there:
        await well(there)
        out = await there.said(*SIMULATE, "+15551230001", "--suppose", "carrier:acmee=DOWN")
    assert "carrier:acmee=DOWN concerns no trunk of these calls." in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Name the numbers that are called, or a file of calls with --log."),
        (("+1", "--log", "calls.csv"), "Name the numbers"),
        (("--log", "nowhere.csv"), "cannot be read"),
        (("--log", "calls.csv", "--column", "called=dst"), "give one of to, from, time"),
        (("--log", "calls.csv", "--column", "to"), "must be NAME=VALUE"),
        (("+15551230001", "--timezone", "UTC"), "--timezone is of the times of a log"),
        (("--log", "calls.csv", "--timezone", "Mars"), '--timezone must be a time zone such as "E'),
        (("+15551230001", "--suppose", "mars=DOWN"), "no trunk with the id mars"),
        (("+15551230001", "--suppose", "mars"), "is no supposition"),
        (("+15551230001", "--country", "Mars"), "country"),
        (("+1555\udcff",), "not UTF-8"),
    ],
)
async def test_what_cannot_be_simulated_is_refused_in_a_sentence(
    arguments: tuple[str, ...], said: str
) -> None:
    async with service() as there:
        outcome = await there.command(*SIMULATE, *arguments)
    assert outcome.code == 2
    assert said in outcome.complaint


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"number\n+1\n", "must be called to"),
        (b"to\n\xff\xfe\n", "is not UTF-8"),
        ("to\n+1\n".encode("utf-16"), "is not UTF-8"),
        (b'to\n"+1\n', "cannot be read as CSV"),
    ],
)
async def test_a_file_that_is_no_log_is_refused_in_a_sentence(
    tmp_path: Path, content: bytes, said: str
) -> None:
    log = tmp_path / "calls.csv"
    log.write_bytes(content)
    async with service() as there:
        outcome = await there.command(*SIMULATE, "--log", str(log))
    assert outcome.code == 2
    assert said in outcome.complaint
