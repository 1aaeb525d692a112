from __future__ import annotations

import json

import pytest

from unit.cli.api_service import service


async def test_a_route_is_made_shown_changed_and_deleted() -> None:
    async with service() as there:
        made = await there.said(
            *("routes", "create", "berlin", "--number", "+4930", "--number", "+49331"),
            *("--trunk", "carrier-a", "--trunk", "carrier-b:2:7"),
        )
        assert made == "berlin is made.\n"
        shown = await there.said("routes", "show", "berlin")
        assert [line.split(maxsplit=1)[-1] for line in shown.splitlines()][:5] == [
            "berlin",
            "outbound",
            "+4930, +49331",
            "all",
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
