"""The events of a prober that suspects itself, beside those of trunks."""

from __future__ import annotations

from trunkpulse.events.prober_envelope import encode_prober
from trunkpulse.model import IsolationEvidence, IsolationRule, ProberEvent, ProberState
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


async def test_a_trunk_of_the_same_name_has_its_own_history() -> None:
    async with running() as world, world.client() as http:
        await world.store.record_prober(isolation(), [])
        url = f"{EVENTS}?trunkId=carrier-b&eventType=telephony.prober.isolated"
        assert (await http.get(url)).json()["entities"] == []
