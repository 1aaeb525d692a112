from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from trunkpulse.model import FailureKind
from trunkpulse.ports import Address
from unit.http.api_world import FILE, NOW_MS, World, many, running

TRUNKS = "/api/v2/telephony/trunks"


async def test_a_trunk_shows_its_settings_and_what_its_targets_said() -> None:
    async with running() as world, world.client() as http:
        world.succeed("carrier-a")
        world.fail("carrier-a", place=1, kind=FailureKind.REFUSED, detail="Connection refused")
        answer = await http.get(f"{TRUNKS}/carrier-a")
        assert answer.status_code == 200
        trunk = answer.json()
        targets = trunk.pop("targets")
        assert trunk == {
            "id": "carrier-a",
            "name": "Primary-PSTN-Trunk",
            "state": "DEGRADED",
            "reasonCode": "NETWORK_ERROR",
            "since": NOW_MS,
            "enabled": True,
            "direction": "both",
            "region": "us-east",
            "carrier": "acme",
            "profile": "generic",
            "lastHeard": None,
            "minAvailableTargets": 1,
            "keepalive": {
                "enabled": True,
                "intervalSeconds": 30,
                "maxFailedAttempts": 3,
                "minSuccessfulAttempts": 2,
                "timeoutSeconds": 4,
                "confirmIntervalSeconds": 5,
                "downIntervalSeconds": 15,
                "jitter": 0.05,
                "healthyResponses": ["2xx"],
                "pauseOnActiveCalls": True,
            },
            "activity": {
                "activeCalls": 0,
                "seenCalls": 0,
                "reportedCalls": None,
                "reportedUntil": None,
                "lastProof": None,
                "lastProofCounts": False,
                "keepalivesPaused": False,
            },
            "probe": {
                "fromUri": None,
                "toUri": None,
                "contactUri": None,
                "requestUri": None,
                "headerNames": [],
                "maxForwards": 70,
                "outboundProxy": None,
                "source": None,
                "enableNat": False,
                "advertisedAddress": None,
                "username": None,
                "hasPassword": False,
                "tls": {
                    "verify": True,
                    "caFile": None,
                    "certFile": None,
                    "keyFile": None,
                    "serverName": None,
                },
            },
            "maintenance": None,
            "managedBy": FILE,
            "configuration": None,
            "revision": None,
            "withheld": None,
        }
        good, bad = targets
        assert good.pop("nextAttemptInSeconds") in (0.0, None)  # due now, or under way
        assert 0 < bad["nextAttemptInSeconds"] <= 30
        assert good == {
            "uri": "sip:127.0.0.1:5061",
            "state": "AVAILABLE",
            "address": "127.0.0.1:5061",
            "transport": "udp",
            "priority": 0,
            "weight": 100,
            "maintenanceUntil": None,
            "lookupProblem": None,
            "publicAddress": None,
            "publicAddresses": [],
            "certificate": None,
            "rttMs": 12.5,
            "lastCode": 200,
            "failure": None,
            "detail": None,
            "failedAttempts": 0,
            "lastSuccessfulKeepalive": NOW_MS,
            "lastAttempt": NOW_MS,
            "lastHeard": None,
            "numbers": {
                "answers": 2,
                "losses": 0,
                "rttMs": 12.5,
                "smoothedRttMs": 12.5,
                "jitterMs": 0.0,
                "lossShare": 0.0,
            },
        }
        assert bad["state"] == "DOWN"
        assert (bad["failure"], bad["detail"]) == ("refused", "Connection refused")
        assert (bad["failedAttempts"], bad["lastSuccessfulKeepalive"]) == (3, None)


async def test_a_carrier_that_asks_us_is_shown_with_when_it_last_did() -> None:
    async with running() as world, world.client() as http:
        world.fail("carrier-b")
        world.context.last_heard.note("::1", NOW_MS / 1000)
        world.context.last_heard.note("192.0.2.99", NOW_MS / 1000 + 5)
        world.clock.seconds = 12
        trunk = (await http.get(f"{TRUNKS}/carrier-b")).json()
        assert trunk["lastHeard"] == NOW_MS
        assert [target["lastHeard"] for target in trunk["targets"]] == [NOW_MS]
        told = (await http.get(f"{TRUNKS}/carrier-b/explain")).json()
        assert [target["lastHeard"] for target in told["targets"]] == [NOW_MS]
        assert told["summary"].endswith(
            ", but it sent us an OPTIONS 12 s ago, so the path towards us works."
        )


async def test_a_trunk_was_last_heard_when_the_latest_of_its_targets_was() -> None:
    trunk = many(1)[0]
    trunk = replace(trunk, targets=("sip:192.0.2.1", "sip:192.0.2.2", "sip:192.0.2.3"))
    async with running(trunks=(trunk,)) as world, world.client() as http:
        world.context.last_heard.note("192.0.2.2", NOW_MS / 1000 + 3)
        world.context.last_heard.note("192.0.2.3", NOW_MS / 1000 + 1)
        shown = (await http.get(f"{TRUNKS}/t-0")).json()
        assert shown["lastHeard"] == NOW_MS + 3000
        assert [each["lastHeard"] for each in shown["targets"]] == [
            None, NOW_MS + 3000, NOW_MS + 1000,
        ]  # fmt: skip


async def test_a_trunk_without_a_region_is_in_the_instances_region() -> None:
    async with running() as world, world.client() as http:
        trunk = (await http.get(f"{TRUNKS}/carrier-b")).json()
        assert trunk["region"] == "default"
        assert trunk["targets"][0]["address"] == "[::1]:5063"


@pytest.mark.parametrize(
    "path", ["nobody", "nobody/history", "nobody/explain", "carrier-a/nothing", "%00", "%ff%fe"]
)
async def test_an_unknown_trunk_is_a_404_problem(path: str) -> None:
    async with running() as world, world.client() as http:
        answer = await http.get(f"{TRUNKS}/{path}")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == 404
        assert problem["title"] == "Not Found"
        assert problem["instance"].startswith(TRUNKS)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["carrier-a", "carrier-b", "off-by-file", "unprobed"]),
        ("?state=DOWN", ["off-by-file"]),
        ("?state=UNKNOWN&direction=outbound", ["carrier-b"]),
        ("?carrier=acme", ["carrier-a"]),
        ("?region=us-east", ["carrier-a"]),
        ("?region=default", ["carrier-b", "off-by-file", "unprobed"]),
        ("?direction=inbound", ["unprobed"]),
        ("?q=PSTN", ["carrier-a"]),
        ("?q=CARRIER-", ["carrier-a", "carrier-b"]),
        ("?q=s%C3%96u", ["carrier-b"]),
        ("?q=nothing-like-it", []),
    ],
)
async def test_filters_narrow_the_list(query: str, expected: list[str]) -> None:
    async with running() as world, world.client() as http:
        page = (await http.get(f"{TRUNKS}{query}")).json()
        assert [trunk["id"] for trunk in page["entities"]] == expected
        assert page["nextCursor"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=BROKEN", "query.state"),
        ("direction=up", "query.direction"),
        ("limit=0", "query.limit"),
        ("limit=1001", "query.limit"),
        ("limit=many", "query.limit"),
        ("cursor=%21%21", "query.cursor"),
        ("cursor=_w", "query.cursor"),
        ("cursor=%C3%A4", "query.cursor"),
    ],
)
async def test_a_bad_parameter_is_a_422_that_names_it(query: str, field: str) -> None:
    async with running() as world, world.client() as http:
        answer = await http.get(f"{TRUNKS}?{query}")
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_pages_follow_each_other_while_trunks_come_and_go() -> None:
    trunks = list(many(25))
    random.Random(3).shuffle(trunks)
    async with running(trunks=trunks) as world, world.client() as http:
        first = (await http.get(f"{TRUNKS}?limit=10")).json()
        shown = [trunk["id"] for trunk in first["entities"]]
        assert shown == sorted(trunk.id for trunk in trunks)[:10]
        gone = shown[-1]  # the very one that the cursor stands for
        kept = [trunk for trunk in trunks if trunk.id not in (gone, "t-9")]
        await world.roster.apply(kept)
        cursor = first["nextCursor"]
        while cursor:
            page = (await http.get(f"{TRUNKS}?limit=10&cursor={cursor}")).json()
            shown += [trunk["id"] for trunk in page["entities"]]
            cursor = page["nextCursor"]
        assert shown == sorted({trunk.id for trunk in trunks} - {"t-9"})


async def test_a_trunk_that_replaces_another_is_listed_at_once() -> None:
    before, after = many(2), (many(3)[0], many(3)[2])
    async with running(trunks=before) as world, world.client() as http:
        await http.get(TRUNKS)
        await world.roster.apply(after)
        page = (await http.get(TRUNKS)).json()
        assert [trunk["id"] for trunk in page["entities"]] == ["t-0", "t-2"]


async def test_disabling_takes_effect_is_recorded_and_may_be_repeated() -> None:
    async with running() as world, world.client() as http:
        world.succeed("carrier-b")
        for _ in range(2):
            answer = await http.post(f"{TRUNKS}/carrier-b/disable")
            assert answer.status_code == 200
            trunk = answer.json()
            assert (trunk["state"], trunk["reasonCode"]) == ("DOWN", "ADMIN_DISABLED")
            assert trunk["enabled"] is False
            assert trunk["targets"][0]["nextAttemptInSeconds"] is None
        assert (await world.store.load())["carrier-b"].admin_enabled is False
        history = (await http.get(f"{TRUNKS}/carrier-b/history")).json()["entities"]
        assert [event["reasonCode"] for event in history] == [
            "ADMIN_DISABLED",
            "KEEPALIVE_RESTORED",
        ]


async def test_enabling_starts_anew_and_may_be_repeated() -> None:
    async with running() as world, world.client() as http:
        await http.post(f"{TRUNKS}/carrier-b/disable")
        for _ in range(2):
            answer = await http.post(f"{TRUNKS}/carrier-b/enable")
            assert answer.status_code == 200
            trunk = answer.json()
            assert (trunk["state"], trunk["reasonCode"]) == ("UNKNOWN", "ADMIN_ENABLED")
            assert trunk["enabled"] is True
        assert (await world.store.load())["carrier-b"].admin_enabled is True


async def test_what_the_file_disables_cannot_be_enabled_here() -> None:
    async with running() as world, world.client() as http:
        answer = await http.post(f"{TRUNKS}/off-by-file/enable")
        assert answer.status_code == 409
        assert FILE in answer.json()["detail"]
        assert world.roster.record("off-by-file").admin_enabled is True


async def test_disabling_without_a_database_holds_and_says_so() -> None:
    async with running(world=World(record_seconds=0.0)) as world, world.client() as http:
        world.store.plugged = False
        answer = await http.post(f"{TRUNKS}/carrier-b/disable")
        assert answer.status_code == 503
        assert "already" in answer.json()["detail"]
        assert answer.headers["retry-after"] == "5"
        assert world.board.status("carrier-b").reason == "ADMIN_DISABLED"
        world.store.plugged = True
        await world.pipeline.recorder.flushed()
        assert (await world.store.load())["carrier-b"].admin_enabled is False


async def test_disabling_waits_for_the_database() -> None:
    async with running() as world, world.client() as http:
        world.store.plugged = False
        asking = asyncio.create_task(http.post(f"{TRUNKS}/carrier-b/disable"))
        await world.store.missed.wait()
        assert world.board.status("carrier-b").reason == "ADMIN_DISABLED"
        assert not asking.done()
        world.store.plugged = True
        assert (await asking).status_code == 200


async def test_a_probe_is_asked_for_now() -> None:
    async with running() as world, world.client() as http:
        world.roster.prober.pause(world.target("carrier-a"))
        world.clock.seconds = 0.005  # nothing falls due by itself
        answer = await http.post(f"{TRUNKS}/carrier-a/probe")
        assert (answer.status_code, answer.json()) == (202, {"targets": 2})
        world.clock.seconds = 0.02
        sent: set[Address] = set()
        while not sent >= {("127.0.0.1", 5061), ("127.0.0.1", 5062)}:
            sent.add(await world.transport.destinations.get())


@pytest.mark.parametrize("trunk_id", ["off-by-file", "unprobed"])
async def test_a_trunk_that_is_not_probed_refuses_a_probe(trunk_id: str) -> None:
    async with running() as world, world.client() as http:
        answer = await http.post(f"{TRUNKS}/{trunk_id}/probe")
        assert answer.status_code == 409
        assert trunk_id in answer.json()["detail"]


@pytest.mark.parametrize("action", ["disable", "enable", "probe"])
async def test_actions_on_an_unknown_trunk_are_404(action: str) -> None:
    async with running() as world, world.client() as http:
        assert (await http.post(f"{TRUNKS}/nobody/{action}")).status_code == 404


async def test_history_is_newest_first_and_paged() -> None:
    async with running() as world, world.client() as http:
        world.succeed("carrier-b")
        await world.flap("carrier-b", 6)
        sequences: list[int] = []
        url: str | None = f"{TRUNKS}/carrier-b/history?limit=3"
        while url is not None:
            page = (await http.get(url)).json()
            assert {event["entityId"] for event in page["entities"]} == {"carrier-b"}
            sequences += [event["metadata"]["sequence"] for event in page["entities"]]
            cursor = page["nextCursor"]
            url = cursor and f"{TRUNKS}/carrier-b/history?limit=3&cursor={cursor}"
        assert sequences == [7, 6, 5, 4, 3, 2, 1]


async def test_explain_tells_rule_attempts_and_outlook() -> None:
    async with running() as world, world.client() as http:
        world.succeed("carrier-b", times=1)
        world.clock.seconds = 30
        world.succeed("carrier-b", times=1)
        world.clock.seconds = 60
        world.fail("carrier-b", times=1)
        told = (await http.get(f"{TRUNKS}/carrier-b/explain")).json()
        assert told["state"] == "AVAILABLE"
        assert "in doubt" in told["summary"]
        assert "DOWN after 3 consecutive failures (1 so far)" in told["rule"]
        assert "2 more failures in a row" in told["next"]
        (target,) = told["targets"]
        healthy, failed = target["attempts"]
        assert (healthy["success"], healthy["count"]) == (True, None)
        assert (failed["failure"], failed["count"]) == ("timeout", 1)
        assert told["observers"] == [
            {"instanceId": "edge-1", "region": "default", "state": "AVAILABLE"}
        ]


async def test_explain_counts_the_quiet_success_of_a_settled_target() -> None:
    async with running() as world, world.client() as http:
        world.succeed("carrier-b")
        world.clock.seconds = 30
        world.succeed("carrier-b", times=1)
        told = (await http.get(f"{TRUNKS}/carrier-b/explain")).json()
        (run,) = told["targets"][0]["attempts"]
        assert run == {
            "since": NOW_MS,
            "at": NOW_MS + 30_000,
            "count": None,
            "success": True,
            "code": 200,
            "failure": None,
            "detail": None,
            "rttMs": 12.5,
        }


async def test_what_went_well_before_a_failure_stays_to_be_seen() -> None:
    async with running() as world, world.client() as http:
        world.succeed("carrier-b")
        world.clock.seconds = 95
        world.succeed("carrier-b", times=1)
        world.clock.seconds = 100
        world.fail("carrier-b", times=2)
        world.clock.seconds = 200
        world.fail("carrier-b", times=30)
        told = (await http.get(f"{TRUNKS}/carrier-b/explain")).json()
        healthy, failed = told["targets"][0]["attempts"]
        assert (healthy["since"], healthy["at"]) == (NOW_MS, NOW_MS + 95_000)
        assert (failed["since"], failed["at"]) == (NOW_MS + 100_000, NOW_MS + 200_000)
        assert (healthy["count"], failed["count"]) == (None, 32)
