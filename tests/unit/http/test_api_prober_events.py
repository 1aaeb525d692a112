"""The events of a prober that suspects itself, beside those of trunks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trunkpulse.adapters.http.api import event_search
from trunkpulse.events.prober_envelope import encode_prober
from trunkpulse.model import IsolationEvidence, IsolationRule, ProberEvent, ProberState
from trunkpulse.probing.doubts import Trusting
from unit.http.api_world import NOW_MS, running

EVENTS = "/api/v2/events"


def isolation() -> ProberEvent:
    return ProberEvent(
        event_id="e-1",
        instance_id="edge-1",
        region="default",
        sequence=1,
        at_ms=NOW_MS,
        state=ProberState.ISOLATED,
        evidence=IsolationEvidence(
            rule=IsolationRule.LINK, since_ms=NOW_MS, problem="the network interface lan is down"
        ),
    )


async def test_they_are_in_the_log_and_found_by_their_type() -> None:
    async with running() as world, world.client() as http:
        world.succeed("carrier-b")
        await world.flap("carrier-b", 1)
        await world.store.record_prober(isolation(), [])
        of_trunks = [each for each in await world.store.read() if each.trunk_id != "prober:edge-1"]
        body = encode_prober(isolation())
        for order in ("asc", "desc"):
            everything = (await http.get(f"{EVENTS}?order={order}")).json()["entities"]
            assert len(everything) == len(of_trunks) + 1
            url = f"{EVENTS}?order={order}&eventType=telephony.prober.isolated"
            assert f'"entities":[{body}]' in (await http.get(url)).text
            url = f"{EVENTS}?order={order}&eventType=telephony.prober.restored"
            assert (await http.get(url)).json()["entities"] == []
            url = f"{EVENTS}?order={order}&eventType=telephony.trunks.stateChange"
            assert len((await http.get(url)).json()["entities"]) == len(of_trunks)


async def test_an_explanation_says_that_states_are_held() -> None:
    async with running() as world, world.client() as http:
        url = "/api/v2/telephony/trunks/carrier-b/explain"
        assert "isolated" not in (await http.get(url)).json()["next"]
        world.pipeline.doubts = Trusting()
        world.pipeline.doubts.evidence = isolation().evidence
        assert "The prober has been isolated for" in (await http.get(url)).json()["next"]


async def test_a_trunk_of_the_same_name_has_its_own_history() -> None:
    async with running() as world, world.client() as http:
        await world.store.record_prober(isolation(), [])
        url = f"{EVENTS}?trunkId=carrier-b&eventType=telephony.prober.isolated"
        assert (await http.get(url)).json()["entities"] == []


async def test_a_type_is_looked_for_until_the_page_is_full() -> None:
    async with running() as world, world.client() as http:
        await world.store.record_prober(isolation(), [])
        restored = replace(isolation(), sequence=2, event_id="e-2", state=ProberState.CONNECTED)
        await world.store.record_prober(restored, [])
        for order, wanted in (("desc", "isolated"), ("asc", "restored")):
            url = f"{EVENTS}?order={order}&limit=1&eventType=telephony.prober.{wanted}"
            page = (await http.get(url)).json()
            assert [each["eventType"] for each in page["entities"]] == [
                f"telephony.prober.{wanted}"
            ]
            assert (page["nextCursor"] is None) is (order == "desc")
        url = f"{EVENTS}?order=desc&limit=1&eventType=telephony.prober.restored"
        page = (await http.get(url)).json()
        assert (len(page["entities"]), page["nextCursor"]) == (1, None)


async def test_a_search_that_finds_nothing_is_cut_and_can_be_gone_on_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_search, "LOOKS", 5)
    async with running() as world, world.client() as http:
        world.succeed("carrier-b")
        await world.flap("carrier-b", 12)
        positions = [each.position for each in await world.store.read(trunk_id="carrier-b")]
        assert len(positions) == 13
        ends: dict[str, list[str | None]] = {
            "desc": [str(positions[8]), str(positions[3]), None],
            "asc": [str(positions[4]), str(positions[9]), str(positions[12])],
        }
        for order, expected in ends.items():
            query = f"order={order}&trunkId=carrier-b&eventType=telephony.prober.isolated"
            after = ""
            for cursor in expected:
                page = (await http.get(f"{EVENTS}?{query}{after}")).json()
                assert page == {"entities": [], "nextCursor": cursor}
                after = f"&after={cursor}"
