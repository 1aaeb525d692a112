"""``trunkpulse license``: shown and set from a shell."""

from __future__ import annotations

import json

import pytest

from trunkpulse.access.licence import Entitlement, Grant
from unit.cli.api_service import service


async def test_a_new_installation_has_everything_for_ever() -> None:
    async with service() as there:
        lines = (await there.said("license", "show")).splitlines()
        assert [line.split() for line in lines[1:]] == [
            ["talk", "active", "for", "ever"],
            ["advanced-telephony", "active", "for", "ever"],
            ["event-streams", "active", "for", "ever"],
        ]


async def test_what_is_set_is_shown_and_the_others_stay() -> None:
    async with service() as there:
        said = await there.said("license", "set", "event-streams=suspended")
        assert "Without event-streams events wait and are not delivered." in said
        assert ["event-streams", "suspended", "-"] in [line.split() for line in said.splitlines()]
        moment = "2033-05-18T03:33:20+00:00"
        await there.said("license", "set", "talk=active", "--until", moment)
        licence = there.world.licensing.licence
        assert licence.talk == Grant(until_ms=2_000_000_000_000)
        assert licence.streams == Grant(suspended=True)
        assert there.world.licensing.lacking() == {Entitlement.STREAMS}
        shown = json.loads(await there.said("license", "show", "--json"))
        assert shown["talk"] == {"status": "active", "until": 2_000_000_000_000}
        await there.said("license", "set", "event-streams=active")
        assert not there.world.licensing.lacking()


@pytest.mark.parametrize("text", ["talk", "talk=on", "speak=active", "=active", "talk=expired"])
async def test_what_is_no_entitlement_with_a_status_is_wrong_usage(text: str) -> None:
    async with service() as there:
        outcome = await there.command("license", "set", text)
        assert outcome.code == 2
        assert "talk, advanced-telephony, event-streams" in outcome.complaint
        assert there.world.licensing.revision == 0
