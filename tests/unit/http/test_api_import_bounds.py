"""No import keeps probes waiting: what it takes at once is bounded, however it is written."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from trunkpulse.adapters.http.api.trunk_csv import LONGEST_ROW_CHARACTERS, csv_rows
from trunkpulse.adapters.http.api.trunk_json import (
    DEEPEST_ELEMENT,
    LONGEST_ELEMENT_CHARACTERS,
    LONGEST_SPACE_CHARACTERS,
    json_rows,
)
from trunkpulse.provisioning.importing import CHARACTERS_PER_TURN
from unit.http.api_world import running
from unit.http.test_api_trunk_bulk import bring_in, problems

LONG = LONGEST_ELEMENT_CHARACTERS
TRUNK = {"id": "a", "targets": ["sip:127.0.0.1:5071"]}


class Watched(json.JSONDecoder):
    """Tells how far it went for each value."""

    longest = 0

    def raw_decode(self, s: str, idx: int = 0) -> tuple[object, int]:
        try:
            value, end = super().raw_decode(s, idx)
        except json.JSONDecodeError as problem:
            end = problem.pos
            raise
        finally:
            Watched.longest = max(Watched.longest, end - idx)
        return value, end


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> type[Watched]:
    Watched.longest = 0
    monkeypatch.setattr(json, "JSONDecoder", Watched)
    return Watched


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[" + ",".join(["[" * 900 + "]" * 900] * 50) + "]", "more than 7 others"),
        ('{"targets":[' + ",".join(['"sip:a@127.0.0.1"'] * LONG) + "]}", "within 64 KiB"),
        ("[" + ",".join(["[]"] * 20_000) + "]", "more than 256 lists and objects"),
        ('"' + "x" * 2 * LONG + '"', "within 64 KiB"),
        ('{"id":"' + "x" * 2 * LONG + '"}', "within 64 KiB"),
        ('{"id":"' + "x" * 2 * LONG, "within 64 KiB"),
        ("1" * 2 * LONG, "a number is too long"),
        ('{"id":' + "1" * 2 * LONG + "}", "within 64 KiB"),
        (" " * 2 * LONGEST_SPACE_CHARACTERS + "{}", "nothing but white space"),
        ("[" * 3 * LONG, "more than 7 others"),
    ],
)
@pytest.mark.parametrize(
    "around", ['{{"entities":[{}]}}', "[{}]", '{{"nextCursor":{}}}', '{{"entities":[{{}},{}]}}']
)
async def test_an_element_that_does_not_end_soon_is_not_decoded(
    around: str, content: str, sentence: str, watched: type[Watched]
) -> None:
    async with running() as world, world.client() as http:
        found = problems(await bring_in(http, around.format(content), "json", dryRun="true"))
    assert sentence in found[-1][2]
    assert watched.longest <= LONG


@pytest.mark.parametrize(
    "document",
    [
        '{"' + "x" * 2 * LONG + '":[]}',
        '{"nextCursor":1,"nextCursor":1,"entities":[]}',
        '{[1]:"entities"}',
        '{"entities":[],"entities":[]}',
    ],
)
async def test_names_are_those_there_are_and_each_is_there_once(document: str) -> None:
    rows = list(json_rows(document))
    assert len(rows) == 1
    assert rows[0].problems


def test_a_trunk_with_all_there_is_to_say_is_taken() -> None:
    targets = [{"uri": f"sip:[::1]:{5000 + n}", "weight": 1} for n in range(64)]
    trunk: dict[str, Any] = {"id": "a", "name": 'A "[{" \\', "targets": targets}
    trunk["advanced"] = {
        "password": "x" * 16_384,
        "headers": {f"X-{n}": "]" * 300 for n in range(64)},
    }
    [first, second] = json_rows(json.dumps({"entities": [trunk, TRUNK], "nextCursor": None}))
    assert (first.document, first.problems) == (trunk, ())
    assert second.document == TRUNK
    deep: object = []
    for _ in range(DEEPEST_ELEMENT - 2):
        deep = [deep]
    [row] = json_rows(json.dumps([{"id": deep}]))
    assert row.document == {"id": deep}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("id,targets\n" + "," * 2 * LONGEST_ROW_CHARACTERS, "128 KiB"),
        ("id,targets\n" + '"\n",' * LONGEST_ROW_CHARACTERS, "128 KiB"),
        ("id,targets\n" + "\n" * 2 * LONGEST_ROW_CHARACTERS + "a,sip:127.0.0.1\n", "128 KiB"),
        ("id,targets\n" + ",\n" * LONGEST_ROW_CHARACTERS + "a,sip:127.0.0.1\n", "128 KiB"),
        ('id,targets\na,"' + "x\n" * LONGEST_ROW_CHARACTERS, "128 KiB"),
        ("x," * 1000 + "id,targets\n", "names 1,002 columns"),
        ("," * 2 * LONGEST_ROW_CHARACTERS, "128 KiB"),
    ],
)
def test_a_row_of_a_table_that_does_not_end_soon_is_refused(table: str, sentence: str) -> None:
    [row] = csv_rows(table)
    [(_, told)] = row.problems
    assert sentence in told


async def test_a_cell_that_is_nested_deeply_is_a_mistake_like_any_other() -> None:
    table = 'id,targets,advanced.headers\na,sip:127.0.0.1:5071,"' + '{""a"":' * 9000 + '"\n'
    async with running() as world, world.client() as http:
        [(line, field, _)] = problems(await bring_in(http, table))
    assert (line, field) == (2, "body.advanced.headers")


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_long_rows_give_way_sooner_than_short_ones(form: str) -> None:
    space = " " * (CHARACTERS_PER_TURN // 2)

    def rows(between: str) -> str:
        """Forty trunks without a mistake."""
        if form == "csv":
            lines = [f"t{n},sip:127.0.0.1:5071{between}\n" for n in range(40)]
            return "id,targets\n" + "".join(lines)
        trunks = [f'{{"id":"t{n}",{between}"targets":["sip:127.0.0.1:5071"]}}' for n in range(40)]
        return f"[{','.join(trunks)}]"

    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with running() as world, world.client() as http:
        counting = asyncio.create_task(count())
        few = await bring_in(http, rows(""), form, dryRun="true")
        with_few, turns = turns, 0
        many = await bring_in(http, rows(space), form, dryRun="true")
        counting.cancel()
    assert few.json()["created"] == many.json()["created"] == 40
    assert turns >= with_few + 15
