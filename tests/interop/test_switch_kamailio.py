"""Calls through a real Kamailio that trunkpulse tells which carriers are alive."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from interop.peers.dispatching import DispatchingKamailio, dispatching
from interop.peers.sipp import calling, carrying
from interop.service import Service, serving, trunkpulse
from interop.settings import config_file
from trunkpulse.adapters.switches import make_switch
from trunkpulse.config.switches import SwitchSettings, SwitchType, SwitchUrl

pytestmark = pytest.mark.interop

SWITCH = """
[[switches]]
id = "edge"
type = "kamailio"
url = "{url}"
interval_seconds = 0.5
"""


async def wrote(service: Service, uri: str, *, up: bool, times: int = 1) -> None:
    """Returns when the service has written this, so many times by now."""
    said = f'entry="1 {uri}" state={"up" if up else "down"}'

    def look(lines: Sequence[str]) -> bool | None:
        found = sum("event=switch.wrote " in line and said in line for line in lines)
        return True if found >= times else None

    await service.process.lines.until(look)


async def place_calls(proxy: DispatchingKamailio, folder: Path, number: int) -> list[str]:
    """Where Kamailio sent so many calls, all of which were taken."""
    before = len(proxy.called)
    outcome = await calling(proxy.place, number, folder)
    assert outcome.code == 0, outcome.output
    return proxy.called[before:]


async def entries(service: Service) -> dict[str, dict[str, Any]]:
    """What the API says of each entry, after it was read once more."""
    await service.post("/api/v2/telephony/switches/edge/sync", {})
    page = await service.get("/api/v2/telephony/switches/edge/entries")
    return {each["uri"]: each for each in page["entities"]}


async def test_calls_leave_a_dead_carrier_and_a_restarted_kamailio_learns_it_again(
    tmp_path: Path,
) -> None:
    async with carrying(tmp_path) as first, carrying(tmp_path) as second:
        stranger = "sip:127.0.0.1:9"
        priorities = {first.uri: 10, second.uri: 5, stranger: 1}
        async with dispatching(tmp_path / "kamailio", priorities) as proxy:
            config = config_file(
                tmp_path,
                {"carrier-a": first.uri, "carrier-b": second.uri},
                more=SWITCH.format(url=proxy.urls["http"]),
            )
            async with serving(config) as service:
                await service.changes("carrier-a", 1)
                assert await place_calls(proxy, tmp_path, 10) == [first.uri] * 10

                await first.kill()
                await wrote(service, first.uri, up=False)
                assert await proxy.flags() == {first.uri: "IX", second.uri: "AX", stranger: "AX"}
                assert await place_calls(proxy, tmp_path, 20) == [second.uri] * 20

                await proxy.kill()
                await proxy.start()
                await wrote(service, first.uri, up=False, times=2)
                assert (await proxy.flags())[first.uri] == "IX"
                assert await place_calls(proxy, tmp_path, 10) == [second.uri] * 10

                await first.start()
                await wrote(service, first.uri, up=True)
                assert await place_calls(proxy, tmp_path, 10) == [first.uri] * 10

                await proxy.command("dispatcher.set_state", "i", "1", stranger)
                await first.kill()
                await wrote(service, first.uri, up=False, times=3)
                config_file(tmp_path, {"carrier-a": first.uri, "carrier-b": second.uri})
                service.process.signal(signal.SIGHUP)  # there is no switch in the file now
                await service.process.line("event=switch.gave_back switch=edge entries=1")
                assert await proxy.flags() == {first.uri: "AX", second.uri: "AX", stranger: "IX"}


async def test_a_hand_that_meddles_is_seen_and_put_right_but_a_disabled_one_stays(
    tmp_path: Path,
) -> None:
    async with carrying(tmp_path) as first, carrying(tmp_path) as second:
        priorities = {first.uri: 10, second.uri: 5}
        async with dispatching(tmp_path / "kamailio", priorities) as proxy:
            config = config_file(
                tmp_path,
                {"carrier-a": first.uri, "carrier-b": second.uri},
                more=SWITCH.format(url=proxy.urls["unix"]),
            )
            async with serving(config) as service:
                await service.changes("carrier-a", 1)
                await service.changes("carrier-b", 1)
                assert (await entries(service))[first.uri]["wanted"] is True

                await proxy.command("dispatcher.set_state", "i", "1", first.uri)
                await service.process.line("event=switch.drifted")
                await wrote(service, first.uri, up=True)
                found = await entries(service)
                assert (found[first.uri]["drifts"], found[first.uri]["has"]) == (1, True)
                assert found[second.uri]["drifts"] == 0

                await proxy.command("dispatcher.set_state", "d", "1", second.uri)
                found = await entries(service)
                assert (found[second.uri]["held"], found[second.uri]["has"]) == (True, False)
                assert await proxy.flags() == {first.uri: "AX", second.uri: "DX"}

                shown = await trunkpulse(
                    "switches", "show", "edge", "--data", str(tmp_path), folder=tmp_path
                )
                assert "taken out by hand" in shown.output, shown.output
                assert 'trunkpulse_switch_drifts_total{switch="edge"} 1.0' in (
                    await service.metrics()
                )


async def test_every_way_in_reads_and_sets_the_same_list(tmp_path: Path) -> None:
    uris = {f"sip:192.0.2.1:{port}": 1 for port in range(5000, 5300)}
    async with dispatching(tmp_path / "kamailio", uris) as proxy:
        for way, place in proxy.urls.items():
            url = SwitchUrl.parse(place, SwitchType.KAMAILIO)
            settings = SwitchSettings(id=way, type=SwitchType.KAMAILIO, url=url)
            switch = make_switch(settings)
            first, *others = await switch.read([])
            assert {each.uri for each in (first, *others)} == set(uris)
            await switch.write(first.key, up=False)
            assert [each.key for each in await switch.read([]) if not each.up] == [first.key]
            await switch.write(first.key, up=True)
            await switch.close()
        assert set((await proxy.flags()).values()) == {"AX"}
