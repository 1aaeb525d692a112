from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from trunkpulse.adapters import metrics
from trunkpulse.probing.histogram import Histogram
from unit.http.api_parts import WALL
from unit.http.api_world import NOW_MS, World, many, running

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def scrape(world: World) -> Samples:
    async with world.client() as http:
        answer = await http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def of_trunk(samples: Samples, trunk_id: str) -> list[tuple[str, str]]:
    """The (state, reason) series of one trunk."""
    return [
        (dict(labels)["state"], dict(labels)["reason"])
        for name, labels in samples
        if name == "trunkpulse_trunk_state" and dict(labels)["trunk"] == trunk_id
    ]


async def test_the_process_is_alive() -> None:
    async with running() as world, world.client() as http:
        answer = await http.get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_a_balancer_may_ask_without_wanting_the_words() -> None:
    async with running() as world, world.client() as http:
        assert [(await http.head(f"/{path}")).status_code for path in ("healthz", "readyz")] == [
            200,
            200,
        ]
        world.problems.append("It is shutting down.")
        assert (await http.head("/readyz")).status_code == 503


async def test_readiness_follows_its_reasons() -> None:
    async with running() as world, world.client() as http:
        answer = await http.get("/readyz")
        ready = {"status": "ready", "remarks": [], "withheld": []}
        assert (answer.status_code, answer.json()) == (200, ready)
        world.problems += ["The database is not available.", "It is shutting down."]
        answer = await http.get("/readyz")
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["problems"] == world.problems
        assert answer.text.count(world.problems[0]) == 1


async def test_streams_that_are_withheld_are_named_and_do_not_unready() -> None:
    async with running() as world, world.client() as http:
        world.subscriptions.withheld |= {"pager": "Its key is another one.", "chat": "No Apprise."}
        answer = await http.get("/readyz")
        assert answer.status_code == 200
        assert answer.json()["withheld"] == ["chat", "pager"]
        assert "key" not in answer.text


async def test_the_instance_introduces_itself() -> None:
    async with running() as world, world.client() as http:
        assert (await http.get("/api/v2/instances")).json() == {
            "entities": [
                {
                    "instanceId": "edge-1",
                    "region": "default",
                    "version": "9.9.9",
                    "startedAt": NOW_MS,
                    "ready": True,
                    "proberState": "CONNECTED",
                    "isolatedSince": None,
                    "isolatedBy": None,
                    "trunks": 4,
                    "targets": 5,
                }
            ],
            "nextCursor": None,
        }


def labels_of(trunk: str, place: str) -> tuple[tuple[str, str], ...]:
    return (("address", f"udp:{place}"), ("target", f"sip:{place}"), ("trunk", trunk))


async def test_metrics_count_trunks_probes_and_deliveries() -> None:
    async with running() as world:
        world.succeed("carrier-a")
        world.fail("carrier-a", place=1)
        world.roster.prober.counts.timeouts = 3
        samples = await scrape(world)
        assert samples["trunkpulse_trunks", (("state", "DEGRADED"),)] == 1
        assert samples["trunkpulse_trunks", (("state", "AVAILABLE"),)] == 0
        assert samples["trunkpulse_trunks", (("state", "DOWN"),)] == 1
        assert samples["trunkpulse_probe_timeouts_total", ()] == 3
        assert samples["trunkpulse_store_available", ()] == 1
        ends = "trunkpulse_event_delivery_attempts_total"
        assert samples[ends, (("result", "delivered"), ("stream", "noc"))] == 7
        assert samples[ends, (("result", "parked"), ("stream", "noc"))] == 1
        assert samples[ends, (("result", "dead"), ("stream", "noc"))] == 1
        build = (("instance_id", "edge-1"), ("region", "default"), ("version", "9.9.9"))
        assert samples["trunkpulse_build_info", build] == 1
        assert samples["process_resident_memory_bytes", ()] > 0
        assert of_trunk(samples, "carrier-a") == [("DEGRADED", "KEEPALIVE_FAILURE")]
        first = labels_of("carrier-a", "127.0.0.1:5061")
        second = labels_of("carrier-a", "127.0.0.1:5062")
        assert samples["trunkpulse_target_up", first] == 1
        assert samples["trunkpulse_target_up", second] == 0
        assert samples["trunkpulse_target_rtt_seconds", first] == 0.0125
        assert ("trunkpulse_target_rtt_seconds", second) not in samples
        assert samples["trunkpulse_target_last_success_timestamp_seconds", first] == WALL
        assert ("trunkpulse_target_last_success_timestamp_seconds", second) not in samples


async def test_the_last_success_stays_in_the_metrics_while_a_target_is_down() -> None:
    async with running() as world:
        world.succeed("carrier-b")
        world.clock.seconds = 60.25
        world.fail("carrier-b")
        target = labels_of("carrier-b", "[::1]:5063")
        last = "trunkpulse_target_last_success_timestamp_seconds"
        assert (await scrape(world))[last, target] == WALL
        world.succeed("carrier-b", times=1)
        assert (await scrape(world))[last, target] == WALL + 60.25


async def test_no_label_is_one_that_prometheus_sets_itself() -> None:
    async with running() as world:
        labels = {label for _, labels in await scrape(world) for label, _ in labels}
        assert not labels & {"instance", "job"}


async def test_disabled_trunks_stay_in_the_metrics_as_down() -> None:
    async with running() as world:
        world.succeed("carrier-b")
        world.roster.set_admin_enabled("carrier-b", enabled=False)
        samples = await scrape(world)
        for trunk_id in ("carrier-b", "off-by-file"):
            assert of_trunk(samples, trunk_id) == [("DOWN", "ADMIN_DISABLED")]
        target = labels_of("carrier-b", "[::1]:5063")
        assert samples["trunkpulse_target_up", target] == 0


async def test_all_trunks_are_in_the_metrics_however_many() -> None:
    async with running(trunks=many(1201)) as world:
        samples = await scrape(world)
        assert sum(name == "trunkpulse_trunk_state" for name, _ in samples) == 1201


PER_TRUNK = "trunkpulse_per_trunk_series"


async def test_without_series_of_trunks_the_totals_are_still_there() -> None:
    async with running() as world:
        world.succeed("carrier-b")
        world.per_trunk = False
        samples = await scrape(world)
        assert samples[PER_TRUNK, ()] == 0
        assert samples["trunkpulse_trunks", (("state", "AVAILABLE"),)] == 1
        assert samples["trunkpulse_trunks", (("state", "DOWN"),)] == 1
        assert not [labels for _, labels in samples if dict(labels).get("trunk")]


async def test_trunks_have_series_unless_there_are_too_many_or_it_is_ordered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(trunks=many(5)) as world:
        for limit, ordered, expected in (
            (5, None, 1), (4, None, 0), (4, True, 1), (5, False, 0),
        ):  # fmt: skip
            monkeypatch.setattr(metrics, "PER_TRUNK_LIMIT", limit)
            world.per_trunk = ordered
            samples = await scrape(world)
            assert samples[PER_TRUNK, ()] == expected
            assert len(of_trunk(samples, "t-0")) == expected


def test_a_histogram_is_written_as_prometheus_reads_it() -> None:
    histogram = Histogram((0.01, 1.0))
    for value in (0.005, 0.5, 0.5, 3.0):
        histogram.observe(value)
    family = metrics.histogram_family("probe_rtt_seconds", "How long.", histogram)
    samples = {(each.name, each.labels.get("le")): each.value for each in family.samples}
    assert samples == {
        ("probe_rtt_seconds_bucket", "0.01"): 1,
        ("probe_rtt_seconds_bucket", "1.0"): 3,
        ("probe_rtt_seconds_bucket", "+Inf"): 4,
        ("probe_rtt_seconds_count", None): 4,
        ("probe_rtt_seconds_sum", None): 4.005,
    }


async def test_two_instances_in_one_process_do_not_mix() -> None:
    async with running() as one, running(trunks=many(2)) as other:
        assert of_trunk(await scrape(one), "carrier-a")
        assert not of_trunk(await scrape(other), "carrier-a")


async def test_any_id_is_a_label() -> None:
    odd = replace(many(1)[0], id='a "quoted"\\ name\nof two lines, ü')
    async with running(trunks=[odd]) as world:
        assert of_trunk(await scrape(world), odd.id) == [("UNKNOWN", "")]
