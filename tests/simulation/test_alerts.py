"""Alerts of a whole trunkpulse: a carrier's outage, a crash in the middle, planned work."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from alert_bench import Pager, alerting_stream
from simulation.setups import config, stream, trunk
from simulation.world import World
from trunkpulse.config.settings import Config
from trunkpulse.model import EventStream, MaintenanceWindow
from trunkpulse.node import Outside
from trunkpulse.ports import AlertKind, EventSink
from virtual_time import run_virtual

TRUNKS = 30
UPDATE_SECONDS = 60


class PagedWorld(World):
    """A world in which the stream of alerts leads to a pager."""

    def __init__(self) -> None:
        super().__init__(7)
        self.pager = Pager()
        for number in (*range(1, TRUNKS + 1), 101, 102, 103):
            self.network.far_end(f"192.0.2.{number}")

    def outside(self) -> Outside:
        return replace(super().outside(), sink_for=self._sink_for)

    def _sink_for(self, stream: EventStream) -> EventSink:
        return self.receivers.sink_for(stream) if stream.alerts is None else self.pager

    def acme_is(self, mode: str) -> None:
        for number in range(1, TRUNKS + 1):
            self.network.far_end(f"192.0.2.{number}").mode = mode

    @property
    def kinds(self) -> Counter[AlertKind]:
        return Counter(alert.kind for alert in self.pager.alerts)


def setup() -> Config:
    acme = [trunk(number, carrier="acme") for number in range(1, TRUNKS + 1)]
    others = [trunk(101, carrier="b"), trunk(102, carrier="c"), trunk(103, carrier="d")]
    return replace(config(*acme, *others), event_streams=(alerting_stream(), stream("audit")))


def test_a_carriers_outage_is_one_page_over_a_crash_and_every_event_for_the_audit() -> None:
    async def main() -> None:
        world = PagedWorld()
        async with world.node(setup(), crash=True):
            await world.clock.advance(120)
            world.acme_is("silent")
            await world.clock.advance(300)
        assert world.kinds[AlertKind.TRIGGER] == 1
        assert world.kinds[AlertKind.UPDATE] <= 300 / UPDATE_SECONDS
        assert world.pager.alerts[-1].total_down == TRUNKS
        down = [
            each.body for each in world.receivers.accepted["audit"] if '"state":"DOWN"' in each.body
        ]
        assert len(down) == TRUNKS
        told = len(world.pager.alerts)
        async with world.node(setup()):
            await world.clock.advance(120)
            assert len(world.pager.alerts) == told
            world.acme_is("up")
            await world.clock.advance(300)
        assert world.kinds[AlertKind.TRIGGER] == world.kinds[AlertKind.RESOLVE] == 1
        assert len({alert.alert_id for alert in world.pager.alerts}) == 1
        assert world.pager.alerts[-1].total == TRUNKS

    run_virtual(main)


def test_an_outage_within_planned_work_pages_nobody_and_one_that_outlasts_it_does() -> None:
    async def main() -> None:
        world = PagedWorld()
        begin_ms = round(world.clock.wall() * 1000)
        window = MaintenanceWindow(
            id="move",
            name="move",
            carriers=("acme",),
            starts_ms=begin_ms,
            ends_ms=begin_ms + 3_600_000,
            managed_by="edge.toml",
        )
        async with world.node(replace(setup(), maintenance=(window,))):
            await world.clock.advance(60)
            world.acme_is("silent")
            await world.clock.advance(600)
            world.acme_is("up")
            await world.clock.advance(600)
            world.network.far_end("192.0.2.7").mode = "silent"
            await world.clock.advance(3600 - 1260 - 1)
            assert not world.pager.alerts
            await world.clock.advance(2)
            (alert,) = world.pager.alerts
            assert [member.trunk_id for member in alert.members] == ["trunk-7"]

    run_virtual(main)


def test_a_trunk_that_is_taken_out_of_the_file_ends_its_alert() -> None:
    async def main() -> None:
        world = PagedWorld()
        before = setup()
        async with world.node(before) as node:
            await world.clock.advance(60)
            world.network.far_end("192.0.2.7").mode = "silent"
            await world.clock.advance(300)
            assert world.kinds == {AlertKind.TRIGGER: 1}
            await node.apply(
                replace(before, trunks=tuple(t for t in before.trunks if t.id != "trunk-7"))
            )
            await world.clock.advance(60)
            assert world.kinds == {AlertKind.TRIGGER: 1, AlertKind.RESOLVE: 1}

    run_virtual(main)
