from __future__ import annotations

import json

import pytest

from trunkpulse.cli.output import clock_time
from unit.cli.api_service import service


async def test_a_route_is_made_shown_changed_and_deleted() -> None:
    async with service() as there:
        made = await there.said(
            *("routes", "create", "berlin", "--number", "+4930", "--number", "+49331"),
            *("--trunk", "carrier-a", "--trunk", "carrier-b:2:7"),
        )
        assert made == "berlin is made.\n"
        shown = await there.said("routes", "show", "berlin")
        assert [line.split(maxsplit=1)[-1] for line in shown.splitlines()][:6] == [
            "berlin",
            "outbound",
            "+4930, +49331",
            "all",
            "always",
            "carrier-a (1/100), carrier-b (2/7)",
        ]
        assert "the API" in shown
        changed = await there.said(
            *("routes", "edit", "berlin", "--clear", "numbers", "--region", "eu"),
            *("--when-none-available", "try_all", "--json"),
        )
        document = json.loads(changed)
        assert (document["numbers"], document["regions"]) == ([], ["eu"])
        assert document["whenNoneAvailable"] == "try_all"
        assert await there.said("routes", "delete", "berlin") == "berlin is deleted.\n"
        outcome = await there.command("routes", "show", "berlin")
        assert (outcome.code, outcome.out) == (1, "")


async def test_times_and_the_ramp_are_said_shown_and_taken_away() -> None:
    async with service() as there:
        await there.said(
            *("routes", "create", "office", "--trunk", "carrier-a", "--trunk", "carrier-b:2"),
            *("--number", "112", "--number", "+49[1-3]X.", "--failback-ramp", "90"),
            *("--time", "mon-wed,fri 08:00-18:00", "--time", "22:00-06:00"),
            *("--timezone", "Europe/Berlin"),
        )
        shown = await there.said("routes", "show", "office")
        assert "112, +49[1-3]X.\n" in shown
        assert "mon-wed, fri 08:00-18:00; daily 22:00-06:00 (Europe/Berlin)\n" in shown
        assert "over 90 s\n" in shown
        listed = await there.said("routes", "list")
        assert "mon-wed, fri 08:00-18:00; daily 22:00-06:00 (Europe/Berlin)" in listed
        await there.said("routes", "edit", "office", "--clear", "timezone")
        shown = await there.said("routes", "show", "office")
        assert "daily 22:00-06:00 (the time zone of [routing])\n" in shown
        await there.said(
            *("routes", "edit", "office", "--clear", "times"),
            *("--failback-ramp", "0"),
        )
        shown = await there.said("routes", "show", "office")
        assert "always\n" in shown
        assert "at once\n" in shown


async def test_a_decision_says_how_it_came_about() -> None:
    async with service() as there:
        await there.said(
            *("routes", "create", "night", "--trunk", "carrier-a", "--trunk", "carrier-b"),
            *("--number", "+1555", "--number", "+31", "--time", "mon 00:00-00:01"),
            *("--timezone", "Asia/Kolkata"),
        )
        arguments = ("routes", "decide", "555 123 0001", "--country", "US", "--seed", "3")
        out = await there.said(*arguments)
        assert out == await there.said(*arguments)
        decision = json.loads(await there.said(*arguments, "--json"))
        opens = clock_time(decision["opening"]["opensAt"])
        hours = "takes calls only mon 00:00-00:01 (Asia/Kolkata); it opens next at "
        read, closed, *_ = out.splitlines()
        assert read == "555 123 0001 is read as +15551230001."
        assert closed.startswith(
            f"Route night has this number too, but {hours}{opens} by the clock"
        )
        assert "555 123 0001 goes over route us (+1).\n" in out
        outcome = await there.command("routes", "decide", "+31201234567")
        assert outcome.code == 1
        assert outcome.out.startswith(f"Route night has this number, but {hours}{opens} by the")
        assert outcome.out.endswith("Routes take such calls, but not at this time.\n")


async def test_a_route_with_one_trunk_is_made_with_advice() -> None:
    async with service() as there:
        made = await there.said("routes", "create", "lone", "--trunk", "carrier-a")
        assert made.startswith("lone is made.\nadvice")
        assert "add a second trunk" in made


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["create", "berlin"], 2, "--trunk carrier-a"),
        (["create", "berlin", "--trunk", "carrier-a:x"], 2, "carrier-a:1:100"),
        (["create", "berlin", "--trunk", "carrier-a:1:2:3"], 2, "carrier-a:1:100"),
        (["create", "berlin", "--trunk", f"carrier-a:{'9' * 5000}"], 2, "carrier-a:1:100"),
        (["create", "berlin", "--trunk", "nobody"], 2, "no trunk"),
        (["create", "x", "--trunk", "carrier-a", "--time", "mon-fri"], 2, "08:00-18:00"),
        (["create", "x", "--trunk", "carrier-a", "--time", "08:00-8:30"], 2, "08:00"),
        (["create", "x", "--trunk", "carrier-a", "--timezone", "Mars"], 2, "Europe/Berlin"),
        (["create", "x", "--trunk", "carrier-a", "--number", "+1(5|6)"], 2, "pattern"),
        (["decide", "0301234567", "--country", "ZZ"], 2, "two-letter"),
        (["create", "us", "--trunk", "carrier-a"], 1, "us already"),
        (["edit", "us"], 2, "Nothing is to be changed"),
        (["edit", "us", "--number", "+49"], 1, "trunkpulse.toml"),
        (["delete", "us"], 1, "trunkpulse.toml"),
        (["delete", "mars"], 1, "mars"),
    ],
)
async def test_what_cannot_be_done_is_one_sentence(
    arguments: list[str], code: int, says: str
) -> None:
    async with service() as there:
        outcome = await there.command("routes", *arguments)
        assert (outcome.code, outcome.out) == (code, "")
        assert says in outcome.err
