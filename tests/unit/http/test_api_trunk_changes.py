"""Trunks made, changed and deleted through the API; what the file declares is read-only there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fastapi import Request

from trunkpulse.access import Limits, Permission, Principal, PrincipalKind
from trunkpulse.model import TrunkState
from trunkpulse.ports import DocumentKind
from unit.http.api_world import FILE, World, running

TRUNKS = "/api/v2/telephony/trunks"
ENTRUSTED: dict[str, Any] = {
    "id": "made",
    "name": "Made here",
    "carrier": "acme",
    "targets": ["sip:127.0.0.1:5070"],
    "advanced": {"username": "alice", "password": "hunter2", "headers": {"X-Key": "k3y"}},
}
PLAIN: dict[str, Any] = {"id": "made", "targets": ["sip:127.0.0.1:5070"]}


@dataclass
class Limited:
    """Somebody who may edit the trunks of a region or carrier."""

    limits: Limits

    async def principal(self, request: Request) -> Principal:
        return Principal(
            kind=PrincipalKind.CLIENT,
            id="c",
            name="Somebody",
            permissions=frozenset(Permission),
            limits=self.limits,
        )


async def make(http: httpx2.AsyncClient, **members: object) -> httpx2.Response:
    answer = await http.post(TRUNKS, json={**PLAIN, **members})
    assert answer.status_code == 201, answer.text
    return answer


async def patch(
    http: httpx2.AsyncClient, trunk_id: str, members: Mapping[str, object], **headers: str
) -> httpx2.Response:
    return await http.patch(
        f"{TRUNKS}/{trunk_id}",
        content=json.dumps(members),
        headers={"content-type": "application/merge-patch+json", **headers},
    )


def problem(answer: httpx2.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    detail = answer.json()["detail"]
    assert isinstance(detail, str)
    assert detail.endswith(".")
    return detail


async def test_a_trunk_that_is_made_is_probed_and_shown_without_its_secrets() -> None:
    async with running() as world, world.client() as http:
        answer = await http.post(TRUNKS, json=ENTRUSTED)
        assert answer.status_code == 201
        assert answer.headers["location"] == f"{TRUNKS}/made"
        shown = (await http.get(f"{TRUNKS}/made")).json()
        assert {**shown, "advice": []} == answer.json()
        assert (shown["managedBy"], shown["revision"], shown["state"]) == (None, 1, "UNKNOWN")
        assert shown["configuration"] == {
            **ENTRUSTED,
            "advanced": {"username": "alice", "hasPassword": True, "headerNames": ["X-Key"]},
        }
        assert shown["probe"]["hasPassword"] is True
        world.succeed("made")
        assert world.board.status("made").state is TrunkState.AVAILABLE
        listed = (await http.get(TRUNKS, params={"q": "made here"})).json()["entities"]
        assert [each["id"] for each in listed] == ["made"]
        for text in (answer.text, json.dumps(shown), json.dumps(listed)):
            assert "hunter2" not in text
            assert "k3y" not in text


async def test_secrets_are_sealed_at_rest() -> None:
    async with running() as world, world.client() as http:
        await http.post(TRUNKS, json=ENTRUSTED)
        (kept,) = await world.store.load_documents(DocumentKind.TRUNK)
    assert set(kept.secrets) == {"password", "headers"}
    assert "hunter2" not in str(kept) + str(kept.secrets)
    assert "k3y" not in str(kept) + str(kept.secrets)


async def test_a_trunk_of_the_file_changes_with_the_file_alone() -> None:
    async with running() as world, world.client() as http:
        before = world.roster.record("carrier-a").trunk
        for answer in (
            await patch(http, "carrier-a", {"name": "x"}),
            await http.delete(f"{TRUNKS}/carrier-a"),
        ):
            assert f"Trunk carrier-a is declared in {FILE}" in problem(answer, 409)
        taken = await http.post(TRUNKS, json={**PLAIN, "id": "carrier-a"})
        assert f"already, declared in {FILE}; choose another id" in problem(taken, 409)
        assert world.roster.record("carrier-a").trunk is before
        shown = (await http.get(f"{TRUNKS}/carrier-a")).json()
        assert (shown["configuration"], shown["managedBy"]) == (None, FILE)


async def test_a_patch_changes_what_it_names_and_targets_keep_their_state() -> None:
    async with running() as world, world.client() as http:
        await make(http, carrier="acme")
        world.succeed("made")
        target = world.target("made")
        answer = await patch(http, "made", {"keepalive": {"intervalSeconds": 20}, "carrier": None})
        assert answer.status_code == 200
        shown = answer.json()
        assert (shown["state"], shown["carrier"], shown["revision"]) == ("AVAILABLE", None, 2)
        assert shown["keepalive"]["intervalSeconds"] == 20
        assert world.target("made") is target
        assert target.settings.policy.interval_seconds == 20


async def test_a_patch_that_changes_nothing_is_no_change() -> None:
    async with running() as world, world.client() as http:
        made = await make(http)
        answer = await patch(http, "made", {"targets": PLAIN["targets"], "carrier": None})
        assert (answer.status_code, answer.json()["revision"]) == (200, 1)
        assert answer.headers["etag"].partition(".")[0] == made.headers["etag"].partition(".")[0]
        assert world.made.changes == 1


async def test_of_two_administrators_one_learns_that_the_other_was_faster() -> None:
    async with running() as world, world.client() as http:
        etag = (await make(http)).headers["etag"]
        first = await patch(http, "made", {"name": "First"}, **{"if-match": etag})
        second = await patch(http, "made", {"carrier": "second"}, **{"if-match": etag})
        gone = await http.delete(f"{TRUNKS}/made", headers={"if-match": etag})
        assert first.status_code == 200
        assert "changed since you read it" in problem(second, 412)
        problem(gone, 412)
        shown = (await http.get(f"{TRUNKS}/made")).json()
        assert (shown["name"], shown["carrier"]) == ("First", None)
        again = await patch(
            http, "made", {"carrier": "second"}, **{"if-match": first.headers["etag"]}
        )
        assert again.status_code == 200


async def test_what_moves_is_no_change_of_the_trunk() -> None:
    async with running() as world, world.client() as http:
        etag = (await make(http)).headers["etag"]
        world.succeed("made")
        read = await http.get(f"{TRUNKS}/made", headers={"if-none-match": etag})
        assert read.status_code == 200
        answer = await patch(http, "made", {"name": "x"}, **{"if-match": etag})
        assert answer.status_code == 200


async def test_enabled_disables_and_enables() -> None:
    async with running() as world, world.client() as http:
        await make(http)
        world.succeed("made")
        off = (await patch(http, "made", {"enabled": False})).json()
        assert (off["enabled"], off["state"], off["reasonCode"]) == (
            False,
            "DOWN",
            "ADMIN_DISABLED",
        )
        on = (await patch(http, "made", {"enabled": True})).json()
        assert (on["enabled"], on["state"], on["reasonCode"]) == (True, "UNKNOWN", "ADMIN_ENABLED")


async def test_enabled_also_takes_back_what_an_administrator_did() -> None:
    async with running() as world, world.client() as http:
        await make(http)
        await http.post(f"{TRUNKS}/made/disable")
        assert (await patch(http, "made", {"enabled": True})).json()["enabled"] is True
        await world.access.ledger.close()
        *_, entry = await world.store.read_audit(limit=100)
        shown = json.loads(entry.record)["changes"]
        assert [(each["before"]["enabled"], each["after"]["enabled"]) for each in shown[1:]] == [
            (False, True)
        ]


async def test_what_was_said_to_be_disabled_is_enabled_by_the_act_as_well_and_stays_so() -> None:
    async with running() as world, world.client() as http:
        await make(http, enabled=False)
        on = await http.post(f"{TRUNKS}/made/enable")
        assert (on.status_code, on.json()["enabled"]) == (200, True)
        assert (on.json()["state"], on.json()["reasonCode"]) == ("UNKNOWN", "ADMIN_ENABLED")
        again = (await patch(http, "made", {"name": "x"})).json()
        assert (again["enabled"], again["configuration"]["enabled"]) == (True, True)
        await world.access.ledger.close()
        enabled = (await world.store.read_audit(limit=100))[-2]
        said, *_ = json.loads(enabled.record)["changes"]
        assert (said["before"]["enabled"], said["after"]["enabled"]) == (False, True)


async def test_enabled_answers_only_once_it_is_recorded() -> None:
    async with running(world=World(record_seconds=0.0)) as world, world.client() as http:
        await make(http, enabled=True)
        world.store.plugged = False
        problem(await http.post(f"{TRUNKS}/made/disable"), 503)
        told = problem(await patch(http, "made", {"enabled": True}), 503)
        assert "Trunk made is enabled on this node already" in told
        world.store.plugged = True


async def test_what_is_shown_of_a_trunk_may_be_sent_back() -> None:
    async with running() as world, world.client() as http:
        shown = (await http.post(TRUNKS, json=ENTRUSTED)).json()["configuration"]
        answer = await patch(http, "made", {**shown, "name": "Renamed"})
        assert answer.status_code == 200
        assert answer.json()["configuration"] == {**shown, "name": "Renamed"}
        identity = world.roster.record("made").trunk.identity
        assert identity.credentials is not None
        assert identity.credentials.password == "hunter2"
        assert identity.headers == (("X-Key", "k3y"),)
        await http.delete(f"{TRUNKS}/made")
        refused = await http.post(TRUNKS, json=shown)
        assert "advanced.password must be given" in problem(refused, 422)
        advanced = {**shown["advanced"], "password": "hunter2", "headers": {"X-Key": "k3y"}}
        again = await http.post(TRUNKS, json={**shown, "advanced": advanced})
        assert again.json()["configuration"] == shown


@pytest.mark.parametrize("advanced", [{"hasPassword": False}, {"headerNames": ["X-Other"]}])
async def test_secrets_do_not_change_by_what_is_shown_of_them(advanced: dict[str, Any]) -> None:
    async with running() as world, world.client() as http:
        await http.post(TRUNKS, json=ENTRUSTED)
        name = next(iter(advanced))
        refused = await patch(http, "made", {"advanced": advanced})
        assert f"advanced.{name} is not a known key" in problem(refused, 422)


async def test_a_deleted_trunk_is_gone_and_its_id_is_free() -> None:
    async with running() as world, world.client() as http:
        await make(http)
        answer = await http.delete(f"{TRUNKS}/made")
        assert (answer.status_code, answer.content) == (204, b"")
        assert "made" not in world.board
        problem(await http.get(f"{TRUNKS}/made"), 404)
        problem(await http.delete(f"{TRUNKS}/made"), 404)
        problem(await patch(http, "made", {"name": "x"}), 404)
        listed = (await http.get(TRUNKS, params={"q": "made"})).json()["entities"]
        assert listed == []
        await make(http)


async def test_a_trunk_that_routes_use_is_not_deleted() -> None:
    async with running() as world, world.client() as http:
        await make(http)
        for name in ("north", "south"):
            route = {"id": name, "trunks": [{"id": "made"}]}
            assert (await http.post("/api/v2/routing/routes", json=route)).status_code == 201
        detail = problem(await http.delete(f"{TRUNKS}/made"), 409)
        assert "part of the routes north, south; take it out of there first" in detail
        assert "made" in world.board


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"keepalive": {"intervalSeconds": 14.9}}, "interval_short"),
        ({"keepalive": {"intervalSeconds": 61}}, "interval_long"),
        ({"keepalive": {"maxFailedAttempts": 1}}, "single_failure"),
        ({"keepalive": {"minSuccessfulAttempts": 1}}, "single_success"),
        ({"keepalive": {"healthyResponses": ["2xx", "503"]}}, "healthy_503"),
        ({"keepalive": {"enabled": False}}, "keepalive_disabled"),
    ],
)
async def test_advice_comes_with_what_is_saved(members: dict[str, object], code: str) -> None:
    async with running() as world, world.client() as http:
        made = await make(http, targets=["sip:192.0.2.1"], **members)
        (advice,) = made.json()["advice"]
        assert (advice["code"], advice["where"]) == (code, 'trunk "made"')
        assert "_" not in advice["detail"]
        cleared = await patch(http, "made", {"keepalive": None})
        assert cleared.json()["advice"] == []


async def test_what_cannot_be_is_refused_by_member_and_changes_nothing() -> None:
    async with running() as world, world.client() as http:
        answer = await http.post(
            TRUNKS, json={"id": "made", "targets": ["x"], "keepalive": {"jitter": 2}}
        )
        problem(answer, 422)
        fields = [each["field"] for each in answer.json()["errors"]]
        assert fields == ["body.targets[0]", "body.keepalive.jitter"]
        assert len(world.made) == 0
        assert "made" not in world.board


async def test_while_the_database_is_away_nothing_changes_anywhere() -> None:
    async with running() as world, world.client() as http:
        await make(http)
        before = world.roster.record("made").trunk
        world.store.plugged = False
        for answer in (
            await http.post(TRUNKS, json={**PLAIN, "id": "other"}),
            await patch(http, "made", {"name": "x"}),
            await http.delete(f"{TRUNKS}/made"),
        ):
            assert answer.status_code == 503
        assert (await http.get(f"{TRUNKS}/made")).json()["name"] == "made"
        assert world.roster.record("made").trunk is before
        assert "other" not in world.board
        world.store.plugged = True
        assert (await patch(http, "made", {"name": "x"})).status_code == 200


async def test_somebody_with_limits_keeps_to_them() -> None:
    world = World(gate=Limited(Limits(carriers=frozenset({"acme"}))))
    async with running(world=world), world.client() as http:
        problem(await http.post(TRUNKS, json=PLAIN), 403)
        problem(await http.post(TRUNKS, json={**PLAIN, "carrier": "umbrella"}), 403)
        await make(http, carrier="acme")
        assert "not among yours" in problem(await patch(http, "made", {"carrier": "umbrella"}), 403)
        problem(await patch(http, "made", {"carrier": None}), 403)
        assert world.roster.record("made").trunk.carrier == "acme"
        # A trunk of the file that is beyond them is not there at all.
        problem(await patch(http, "carrier-b", {"name": "x"}), 404)
        problem(await http.delete(f"{TRUNKS}/carrier-b"), 404)
        problem(await patch(http, "carrier-a", {"name": "x"}), 409)
        assert (await http.delete(f"{TRUNKS}/made")).status_code == 204


async def test_a_trunk_without_a_region_has_that_of_the_instance() -> None:
    world = World(gate=Limited(Limits(regions=frozenset({"eu"}))))
    async with running(world=world), world.client() as http:
        problem(await http.post(TRUNKS, json=PLAIN), 403)
        await make(http, region="eu")
    world = World(gate=Limited(Limits(regions=frozenset({"default"}))))
    async with running(world=world), world.client() as http:
        await make(http)


async def test_what_is_changed_is_audited_without_secrets() -> None:
    async with running() as world, world.client() as http:
        await http.post(TRUNKS, json=ENTRUSTED)
        await patch(http, "made", {"advanced": {"password": "hunter3"}, "name": "x"})
        await http.delete(f"{TRUNKS}/made")
        records = str((await http.get("/api/v2/audit")).json())
    assert records.count("'id': 'made'") >= 3
    for secret in ("hunter2", "hunter3", "k3y"):
        assert secret not in records
