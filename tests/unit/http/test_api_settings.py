"""What all trunks inherit, read and set through the API."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from trunkpulse.access import Limits
from trunkpulse.config import Config
from trunkpulse.config.advice import advise
from trunkpulse.ports import DocumentKind
from unit.config.loading import load
from unit.http.api_world import World, running
from unit.http.test_api_trunk_changes import Limited, problem

SETTINGS = "/api/v2/telephony/settings"
FILE = """
[sip]
user_agent = "edge/1"
listen = []
[keepalive]
jitter = 0.2
[[trunks]]
id = "heir"
targets = ["sip:127.0.0.1:5061"]
[[trunks]]
id = "own"
targets = ["sip:127.0.0.1:5062"]
keepalive = { interval_seconds = 50 }
"""


def world_of(config: Config) -> World:
    world = World()
    world.config = replace(config, trunks=())
    return world


async def put(http: httpx2.AsyncClient, document: object, **headers: str) -> httpx2.Response:
    return await http.put(SETTINGS, json=document, headers=headers)


async def shown(http: httpx2.AsyncClient) -> dict[str, Any]:
    answer = await http.get(SETTINGS)
    assert answer.status_code == 200
    found = answer.json()
    assert isinstance(found, dict)
    return found


async def test_without_a_word_they_are_as_they_come() -> None:
    async with running() as world, world.client() as http:
        found = await shown(http)
    assert found["keepalive"]["intervalSeconds"] == 30
    assert (found["userAgent"], found["managedBy"], found["managedMembers"]) == (
        "trunkpulse",
        None,
        [],
    )


async def test_trunks_that_inherit_follow_and_others_stay(tmp_path: Path) -> None:
    config = load(tmp_path, FILE)
    world = world_of(config)
    async with running(trunks=config.trunks, world=world), world.client() as http:
        made = {"id": "made", "targets": ["sip:127.0.0.1:5063"], "profile": "twilio"}
        await http.post("/api/v2/telephony/trunks", json=made)
        world.succeed("heir")
        target = world.target("heir")
        answer = await put(http, {"keepalive": {"intervalSeconds": 10, "maxFailedAttempts": 5}})
        assert answer.status_code == 200
        assert answer.json()["keepalive"]["intervalSeconds"] == 10
        assert answer.json()["advice"] == []  # no probe leaves this machine
        found = {
            each: world.roster.record(each).trunk.keepalive for each in ("heir", "own", "made")
        }
        assert [each.interval_seconds for each in found.values()] == [10, 50, 30]
        assert {each.max_failed_attempts for each in found.values()} == {5}
        assert {each.jitter for each in found.values()} == {0.2}
        assert world.target("heir") is target
        assert world.board.status("heir").state == "AVAILABLE"


@pytest.mark.parametrize(
    ("target", "codes"),
    [("sip:127.0.0.1:5061", []), ("sip:192.0.2.1:5061", ["interval_short"])],
)
async def test_a_short_interval_is_advised_against_where_check_does(
    tmp_path: Path, target: str, codes: list[str]
) -> None:
    config = load(tmp_path, f'[[trunks]]\nid = "a"\ntargets = ["{target}"]\n')
    short = replace(config.keepalive, interval_seconds=10)
    like = replace(config.trunks[0], keepalive=short)
    in_the_file = replace(config, keepalive=short, trunks=(like,))
    assert [each.code for each in advise(in_the_file)] == codes
    async with (
        running(trunks=config.trunks, world=world_of(config)) as world,
        world.client() as http,
    ):
        answer = await put(http, {"keepalive": {"intervalSeconds": 10}})
        assert [each["code"] for each in answer.json()["advice"]] == codes


async def test_a_trunk_that_is_made_later_inherits_them_too() -> None:
    async with running() as world, world.client() as http:
        await put(http, {"keepalive": {"intervalSeconds": 45}})
        answer = await http.post(
            "/api/v2/telephony/trunks", json={"id": "made", "targets": ["sip:127.0.0.1:5063"]}
        )
        assert answer.json()["keepalive"]["intervalSeconds"] == 45
        assert "keepalive" not in answer.json()["configuration"]


async def test_what_probes_call_us_changes_at_once() -> None:
    async with running() as world, world.client() as http:
        await put(http, {"userAgent": "pulse/9"})
        target = world.target("carrier-b")
        assert b"User-Agent: pulse/9\r\n" in target.settings.options.render(
            b"sip:x", b"z9hG4bK1", b"1", b"1", 1, b""
        )


async def test_what_the_file_says_is_read_only_and_named(tmp_path: Path) -> None:
    config = load(tmp_path, FILE)
    world = world_of(config)
    async with running(trunks=config.trunks, world=world), world.client() as http:
        found = await shown(http)
        assert found["managedBy"] == "edge.toml"
        assert found["managedMembers"] == ["keepalive.jitter", "userAgent"]
        for document, member in (
            ({"keepalive": {"jitter": 0.1}}, "keepalive.jitter"),
            ({"userAgent": "x"}, "userAgent"),
        ):
            detail = problem(await put(http, document), 409)
            assert detail.startswith(f"{member} is declared in edge.toml; change it there")
        assert await shown(http) == found
        # Whoever sends back what was read has changed nothing of it.
        found["keepalive"]["intervalSeconds"] = 40
        assert (await put(http, found)).status_code == 200
        assert (await shown(http))["keepalive"]["intervalSeconds"] == 40


async def test_what_is_not_there_is_as_it_comes_again() -> None:
    async with running() as world, world.client() as http:
        await put(http, {"keepalive": {"jitter": 0.1}, "userAgent": "x"})
        await put(http, {"keepalive": {"intervalSeconds": 20}})
        found = await shown(http)
    assert (found["keepalive"]["jitter"], found["userAgent"]) == (0.05, "trunkpulse")
    assert found["keepalive"]["intervalSeconds"] == 20


async def test_of_two_administrators_one_learns_that_the_other_was_faster() -> None:
    async with running() as world, world.client() as http:
        etag = (await http.get(SETTINGS)).headers["etag"]
        first = await put(http, {"keepalive": {"jitter": 0.1}}, **{"if-match": etag})
        assert first.status_code == 200
        second = await put(http, {"keepalive": {"jitter": 0.3}}, **{"if-match": etag})
        problem(second, 412)
        unchanged = await http.get(SETTINGS, headers={"if-none-match": first.headers["etag"]})
        assert unchanged.status_code == 304
        assert (await shown(http))["keepalive"]["jitter"] == 0.1


async def test_what_cannot_be_is_refused_by_member() -> None:
    async with running() as world, world.client() as http:
        answer = await put(http, {"keepalive": {"jitter": 2}, "userAgent": "", "colour": 1})
        problem(answer, 422)
        fields = [each["field"] for each in answer.json()["errors"]]
        assert fields == ["body.keepalive.jitter", "body.userAgent", "body.colour"]


async def test_they_are_there_after_a_restart() -> None:
    async with running() as world, world.client() as http:
        await put(http, {"keepalive": {"intervalSeconds": 20}, "userAgent": "pulse/9"})
        made = {"id": "made", "targets": ["sip:127.0.0.1:5063"]}
        await http.post("/api/v2/telephony/trunks", json=made)
    again = World(store=world.store)
    async with running(world=again), again.client() as http:
        found = await shown(http)
        assert (found["keepalive"]["intervalSeconds"], found["userAgent"]) == (20, "pulse/9")
        assert again.roster.record("made").trunk.keepalive.interval_seconds == 20


async def test_while_the_database_is_away_nothing_changes() -> None:
    async with running() as world, world.client() as http:
        before = await shown(http)
        world.store.plugged = False
        assert (await put(http, {"keepalive": {"jitter": 0.1}})).status_code == 503
        assert await shown(http) == before
        world.store.plugged = True
        assert await world.store.load_documents(DocumentKind.SETTINGS) == []


async def test_they_concern_all_trunks_so_nobody_with_limits_sets_them() -> None:
    world = World(gate=Limited(Limits(carriers=frozenset({"acme"}))))
    async with running(world=world), world.client() as http:
        problem(await put(http, {"keepalive": {"jitter": 0.1}}), 403)
