"""All trunks of the API out and in again: as a table, and as JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trunkpulse.access import Limits
from trunkpulse.adapters.http.api.trunk_csv import COLUMNS, csv_line, csv_rows, heading
from trunkpulse.adapters.http.api.trunk_json import json_rows
from trunkpulse.config.trunk_documents import TrunkDocuments, document_of
from trunkpulse.model import KeepalivePolicy
from trunkpulse.ports import DocumentKind
from unit.http.api_world import World, running
from unit.http.test_api_trunk_changes import ENTRUSTED, TRUNKS, Limited, problem

TYPES = {"csv": "text/csv", "json": "application/json"}
TABLE = "id,name,targets,carrier\na,Anna,sip:127.0.0.1:5071,acme\nb,,sip:127.0.0.1:5072,\n"


async def bring_in(
    http: httpx2.AsyncClient, content: str | bytes, form: str = "csv", **query: str
) -> httpx2.Response:
    body = content.encode() if isinstance(content, str) else content
    headers = {"content-type": TYPES[form]}
    return await http.post(f"{TRUNKS}/import", content=body, params=query, headers=headers)


def problems(answer: httpx2.Response) -> list[tuple[int, str, str]]:
    problem(answer, 422)
    return [(each["line"], each["field"], each["detail"]) for each in answer.json()["errors"]]


async def test_a_table_makes_trunks_that_are_probed() -> None:
    async with running() as world, world.client() as http:
        answer = await bring_in(http, TABLE)
        assert answer.status_code == 200
        assert answer.json() == {"created": 2, "changed": 0, "unchanged": 0, "dryRun": False}
        assert world.roster.record("a").trunk.name == "Anna"
        world.succeed("b")
        assert world.board.status("b").state == "AVAILABLE"
        assert (await bring_in(http, TABLE, mode="upsert")).json()["unchanged"] == 2


async def test_a_spreadsheets_own_writing_is_understood() -> None:
    text = "\ufeff" + TABLE.replace(",", ";").replace("\n", "\r\n") + "\r\n"
    async with running() as world, world.client() as http:
        assert (await bring_in(http, text)).json()["created"] == 2
        assert world.roster.record("a").trunk.carrier == "acme"


@pytest.mark.parametrize("form", list(TYPES))
async def test_what_goes_out_comes_back_with_secrets_as_they_were(form: str) -> None:
    async with running() as world, world.client() as http:
        await http.post(TRUNKS, json=ENTRUSTED)
        await bring_in(http, TABLE)
        out = await http.get(f"{TRUNKS}/export", params={"format": form})
        assert out.headers["content-type"].startswith(TYPES[form])
        assert f'filename="trunks.{form}"' in out.headers["content-disposition"]
        assert "hunter2" not in out.text
        assert "k3y" not in out.text
        changed = out.content.replace(b"Made here", b"Renamed")
        again = await bring_in(http, changed, form, mode="upsert")
        assert again.json() == {"created": 0, "changed": 1, "unchanged": 2, "dryRun": False}
        made = world.roster.record("made").trunk
        assert made.name == "Renamed"
        assert made.identity.credentials is not None
        assert made.identity.credentials.password == "hunter2"
        assert made.identity.headers == (("X-Key", "k3y"),)


async def test_secrets_that_are_nowhere_are_asked_for() -> None:
    async with running() as world, world.client() as http:
        await http.post(TRUNKS, json=ENTRUSTED)
        out = await http.get(f"{TRUNKS}/export", params={"format": "csv"})
        await http.delete(f"{TRUNKS}/made")
        found = problems(await bring_in(http, out.content))
    assert [(line, field) for line, field, _ in found] == [
        (2, "body.advanced.password"),
        (2, "body.advanced.headers"),
    ]


async def test_all_or_nothing_and_each_reason_with_its_line_and_column() -> None:
    table = (
        "id,targets,keepalive.intervalSeconds,enabled\n"
        "a,sip:127.0.0.1:5071,20,true\n"
        "\n"
        "b,nowhere,20,perhaps\n"
        "c,sip:127.0.0.1:5072,fast,\n"
        "a,sip:127.0.0.1:5073,,\n"
        'd,"sip:127.0.0.1:5074\n'
        'sip:127.0.0.1:5075",,\n'
        "e,sip:127.0.0.1:5076\n"
        "carrier-a,sip:127.0.0.1:5077,,\n"
    )
    async with running() as world, world.client() as http:
        answer = await bring_in(http, table)
        found = problems(answer)
        assert [(line, field) for line, field, _ in found] == [
            (4, "body.targets[0]"),
            (4, "body.enabled"),
            (5, "body.keepalive.intervalSeconds"),
            (6, "body.id"),
            (9, "body"),
            (10, "body.id"),
        ]
        assert "line 2 has the same" in found[3][2]
        assert answer.json()["total"] == 6
        assert answer.json()["detail"].startswith("Nothing was imported, for 6 reasons")
        assert len(world.made) == 0


async def test_a_dry_run_changes_nothing() -> None:
    async with running() as world, world.client() as http:
        answer = await bring_in(http, TABLE, dryRun="true")
        assert answer.json() == {"created": 2, "changed": 0, "unchanged": 0, "dryRun": True}
        assert len(world.made) == 0
        assert "a" not in world.board


async def test_without_upsert_what_is_there_is_in_the_way() -> None:
    async with running() as world, world.client() as http:
        await bring_in(http, TABLE)
        ((line, field, _),) = problems(await bring_in(http, TABLE.replace("\nb", "\nc")))
        assert (line, field) == (2, "body.id")
        assert "c" not in world.board


async def test_a_row_of_an_upsert_is_the_whole_trunk() -> None:
    async with running() as world, world.client() as http:
        await bring_in(http, TABLE)
        changed = await bring_in(http, "id,targets\na,sip:127.0.0.1:5071\n", mode="upsert")
        assert changed.json()["changed"] == 1
        assert world.roster.record("a").trunk.carrier is None
        assert world.roster.record("a").trunk.name == "a"


@pytest.mark.parametrize(
    ("table", "field", "sentence"),
    [
        ("", "body", "The table is empty"),
        ("id,targets,colour\n", "body.colour", '"colour" is not a known column'),
        ("id,targets,Carrier\n", "body.Carrier", "did you mean carrier?"),
        ("id,targets,id\n", "body.id", 'The column "id" is there twice'),
        ("id\n", "body.targets", "There is no column targets"),
        ("id,targets,advanced.tls.caFile\n", "body.advanced.tls.caFile", "must be left out"),
        ('id,targets\na,"sip', "body", "cannot be read as CSV"),
        ("id,targets,advanced.headers\na,sip:127.0.0.1,{\n", "body.advanced.headers", "be JSON"),
    ],
)
async def test_a_table_that_cannot_be_read_says_why(table: str, field: str, sentence: str) -> None:
    async with running() as world, world.client() as http:
        ((_, where, said),) = problems(await bring_in(http, table))
    assert where == field
    assert sentence in said


@pytest.mark.parametrize(
    ("text", "place", "sentence"),
    [
        ("", (1, "body"), "it must be"),
        ("7", (1, "body"), "it must be"),
        ('{"trunks": []}', (1, "body"), "it must be"),
        ('{"entities": [\n{"id": "a"}\n{}]}', (3, "body"), "a comma is missing"),
        ('[{"id": "a",\n "targets": [}]', (2, "body"), "expecting value"),
        ('[{"id": "a", "targets": ["sip:127.0.0.1"]}] x', (1, "body"), "behind its end"),
        ("[\n7]", (2, "body.entities[0]"), "must be an object"),
        ('[{"id": "a"}]', (1, "body.entities[0].targets"), "targets is missing"),
        ("[" * 100_000, (1, "body"), "in more than 7 others"),
    ],
)
async def test_json_that_cannot_be_read_says_where(
    text: str, place: tuple[int, str], sentence: str
) -> None:
    async with running() as world, world.client() as http:
        found = problems(await bring_in(http, text, "json"))
    assert place in [(line, field) for line, field, _ in found]
    assert any(sentence in said for _, _, said in found)


async def test_two_of_one_id_on_one_line_are_seen() -> None:
    one = '{"id": "a", "targets": ["sip:127.0.0.1"]}'
    async with running() as world, world.client() as http:
        ((_, field, _),) = problems(await bring_in(http, f"[{one},{one}]", "json"))
    assert field == "body.entities[1].id"


async def test_what_is_not_utf_8_is_named_by_its_line() -> None:
    async with running() as world, world.client() as http:
        ((line, _, said),) = problems(await bring_in(http, TABLE.encode() + b"c,\xff"))
    assert line == 4
    assert "UTF-8" in said


async def test_an_export_can_be_of_some() -> None:
    async with running() as world, world.client() as http:
        await bring_in(http, TABLE)
        out = await http.get(f"{TRUNKS}/export", params={"format": "json", "carrier": "acme"})
        assert [each["id"] for each in out.json()["entities"]] == ["a"]
        none = await http.get(f"{TRUNKS}/export", params={"carrier": "nobody"})
        assert none.json() == {"entities": [], "nextCursor": None}


async def test_more_than_a_page_goes_out_and_more_than_a_megabyte_comes_in() -> None:
    padding = "x" * 180
    rows = "".join(f"t{n},{padding},sip:127.0.0.1:{n + 1000}\n" for n in range(6000))
    async with running() as world, world.client() as http:
        answer = await bring_in(http, f"id,name,targets\n{rows}")
        assert answer.status_code == 200, answer.text[:300]
        out = await http.get(f"{TRUNKS}/export")
        ids = [each["id"] for each in out.json()["entities"]]
        assert ids == sorted(f"t{n}" for n in range(6000))
        assert world.roster.prober.next_attempt(world.target("t5999")) is not None


async def test_somebody_with_limits_sees_and_brings_in_what_is_within() -> None:
    world = World(gate=Limited(Limits(carriers=frozenset({"acme"}))))
    async with running(world=world), world.client() as http:
        ((line, _, said),) = problems(await bring_in(http, TABLE))
        assert line == 3
        assert "not among yours" in said
        assert len(world.made) == 0
        mine = TABLE.rpartition("b,")[0]
        assert (await bring_in(http, mine)).json()["created"] == 1
        out = await http.get(f"{TRUNKS}/export")
        assert [each["id"] for each in out.json()["entities"]] == ["a"]


async def test_a_source_that_this_machine_has_not_brings_nothing_in() -> None:
    world = World()

    def refuse(*_: object) -> None:
        raise OSError(99, "Cannot assign requested address")

    async with running(world=world), world.client() as http:
        world.roster.sockets._open_transport = refuse  # type: ignore[assignment]
        answer = await bring_in(http, "id,targets,advanced.source\na,sip:192.0.2.1,203.0.113.9:0\n")
        problem(answer, 422)
        assert answer.json()["errors"][0]["field"] == "body.advanced.source"
        assert len(world.made) == 0
        assert await world.store.load_documents(DocumentKind.TRUNK) == []


@pytest.mark.parametrize("start", [*"=+-@'", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
async def test_no_cell_is_a_formula(start: str) -> None:
    name = f"{start}cmd|' /C calc'!A0"
    async with running() as world, world.client() as http:
        await http.post(
            TRUNKS, json={"id": "a", "name": name, "targets": ["sip:127.0.0.1"], "carrier": "'x"}
        )
        out = await http.get(f"{TRUNKS}/export", params={"format": "csv"})
        (row,) = csv.DictReader(io.StringIO(out.text))
        assert row["name"] == f"'{name}"
        assert not any(cell[:1] in "=+-@" for cell in row.values() if cell)
        again = await bring_in(http, out.content, mode="upsert")
        assert again.json()["unchanged"] == 1
        assert world.roster.record("a").trunk.name == name


# --- what is written can be read ---------------------------------------------------------------

LABELS = st.text(
    st.characters(categories=["L", "N", "P", "S", "Z"]), min_size=1, max_size=20
).filter(lambda text: bool(text.strip()) and not text.isspace())
IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
URIS = st.integers(1, 65535).map(lambda port: f"sip:192.0.2.1:{port}")
DOCUMENTS = st.fixed_dictionaries(
    {
        "id": IDS.filter(lambda text: text not in {"export", "import"}),
        "targets": st.one_of(
            st.lists(URIS, min_size=1, max_size=3, unique=True),
            st.lists(URIS, min_size=2, max_size=3, unique=True).map(
                lambda uris: [{"uri": uri, "weight": 7 + n} for n, uri in enumerate(uris)]
            ),
        ),
    },
    optional={
        "name": LABELS,
        "carrier": LABELS,
        "region": IDS,
        "direction": st.sampled_from(["inbound", "outbound", "both"]),
        "enabled": st.booleans(),
        "keepalive": st.fixed_dictionaries(
            {},
            optional={
                "intervalSeconds": st.floats(1, 3600),
                "maxFailedAttempts": st.integers(1, 100),
                "enabled": st.booleans(),
                "healthyResponses": st.just(["2xx", "404"]),
            },
        ),
        "advanced": st.fixed_dictionaries(
            {},
            optional={
                "maxForwards": st.integers(0, 255),
                "fromUri": st.just("sip:ping@example.com"),
                "enableNat": st.booleans(),
                "headers": st.dictionaries(
                    st.sampled_from(["X-A", "X-B"]),
                    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=9),
                ),
            },
        ),
    },
)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(st.lists(DOCUMENTS, max_size=4))
def test_what_is_written_as_a_table_or_as_json_is_read_as_it_was(
    documents: list[dict[str, Any]],
) -> None:
    makes = TrunkDocuments(KeepalivePolicy())
    made = [makes.new(each) for each in documents]
    # With secrets, as a table of one's own would have them.
    whole = [document_of(each, with_secrets=True) for each in made]
    table = (heading() + b"".join(map(csv_line, whole))).decode()
    for rows in (
        csv_rows(table),
        json_rows(json.dumps(whole)),
        json_rows(json.dumps({"entities": whole})),
    ):
        found = list(rows)
        assert [row.problems for row in found] == [()] * len(made)
        assert [makes.new(row.document).trunk for row in found] == [each.trunk for each in made]


def test_there_is_a_column_for_all_but_files() -> None:
    assert {"id", "targets", "keepalive.jitter", "advanced.password"} <= set(COLUMNS)
    assert not any(name.endswith("File") for name in COLUMNS)
