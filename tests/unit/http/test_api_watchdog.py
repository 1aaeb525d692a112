"""What the API says of ourselves: drops, stalls and caps."""

from __future__ import annotations

from dataclasses import replace

from unit.http.api_world import TRUNKS, World, running
from unit.http.test_api_instance import scrape


def delay_acme(world: World, probes: int = 100) -> None:
    """So many probes of the carrier ask at once for one place a second."""
    paces = world.roster.sockets.paces
    paces.change(None, {"acme": 1.0})
    pace = paces.of("acme")
    assert pace is not None
    for _ in range(probes):
        pace.reserve(world.clock.monotonic())


async def test_a_ready_instance_remarks_on_drops_of_the_last_minute() -> None:
    async with running() as world, world.client() as http:
        watchdog = world.roster.watchdog
        (transport, *_) = world.roster.sockets.transports()
        world.roster.sight.lost(transport, 12, world.clock.monotonic())
        watchdog.look()
        answer = await http.get("/readyz")
        assert answer.status_code == 200
        (remark,) = answer.json()["remarks"]
        assert remark.startswith("The kernel dropped 12 datagrams in the last minute")


async def test_a_cap_that_delays_is_remarked_on_and_does_not_unready() -> None:
    async with running() as world, world.client() as http:
        delay_acme(world)
        answer = await http.get("/readyz")
        assert answer.status_code == 200
        (remark,) = answer.json()["remarks"]
        assert 'carrier "acme" are delayed by 100.0 s by its cap of 1 a second' in remark


async def test_explain_says_which_cap_delays_a_trunk() -> None:
    trunks = [replace(TRUNKS[0], carrier="acme"), *TRUNKS[1:]]
    async with running(trunks=trunks) as world, world.client() as http:
        delay_acme(world)
        path = f"/api/v2/telephony/trunks/{TRUNKS[0].id}/explain"
        said = (await http.get(path)).json()["next"]
        assert said.endswith("delayed by 100.0 s by its cap of 1 a second.")


async def test_metrics_tell_of_the_watchdog_and_of_caps() -> None:
    async with running() as world:
        delay_acme(world)
        watchdog = world.roster.watchdog
        watchdog.look()
        world.clock.seconds += 10.0
        watchdog.look()
        samples = await scrape(world)
        assert samples["trunkpulse_loop_stalls_total", ()] == 1
        assert samples["trunkpulse_loop_stall_seconds_max", ()] == 9.9
        assert samples["trunkpulse_clock_steps_total", ()] == 0
        assert samples["trunkpulse_suspensions_total", ()] == 0
        assert samples["trunkpulse_receive_drops_total", ()] == 0
        assert samples["trunkpulse_attempts_voided_total", ()] == 0
        assert samples["trunkpulse_probes_overdue_seconds", ()] >= 0
        acme = (("carrier", "acme"),)
        assert samples["trunkpulse_probes_delayed_total", acme] == 99
        assert samples["trunkpulse_pacing_backlog_seconds", acme] == 90.0


async def test_a_probe_that_two_caps_delay_is_counted_once() -> None:
    async with running() as world:
        paces = world.roster.sockets.paces
        paces.change(1.0, {"acme": 1.0})
        for carrier in ("acme", "acme", "other", None):
            pace = paces.of(carrier)
            assert pace is not None
            pace.reserve(world.clock.monotonic())
        samples = await scrape(world)
        delayed = {
            labels: value
            for (name, labels), value in samples.items()
            if name == "trunkpulse_probes_delayed_total"
        }
        assert delayed == {(("carrier", "acme"),): 1, (("carrier", ""),): 2}
