"""``trunkpulse trunks activity``."""

from __future__ import annotations

import json

from unit.cli.api_service import service


async def test_calls_are_said_asked_for_and_shown() -> None:
    async with service() as there:
        there.world.succeed("carrier-b")
        out = await there.said("trunks", "activity", "carrier-b", "12", "--expires", "60")
        assert out.startswith("carrier-b: 12 calls up, 12 reported until ")
        assert ", keepalives pause (last proof " in out
        assert await there.said("trunks", "activity", "carrier-b") == out
        sheet = await there.said("trunks", "show", "carrier-b")
        assert "\ncalls       12 calls up, 12 reported until " in sheet
        answer = json.loads(await there.said("trunks", "activity", "carrier-b", "--json"))
        assert answer["reportedCalls"] == 12
        out = await there.said("trunks", "activity", "carrier-b", "0")
        assert out.startswith("carrier-b: 0 calls up, last proof ")
        assert "too old" not in out
        assert "\ncalls " not in await there.said("trunks", "show", "carrier-b")
        there.world.clock.seconds += 30
        out = await there.said("trunks", "activity", "carrier-b")
        assert out.startswith("carrier-b: 0 calls up, last proof ")
        assert out.endswith(" ago, too old to count.\n")


async def test_what_is_wrong_is_one_sentence() -> None:
    async with service() as there:
        for arguments, code, said in (
            (("carrier-b", "--expires", "60"), 2, "--expires belongs to a number of calls"),
            (("nobody", "1"), 1, "There is no trunk with the id nobody."),
            (("carrier-b", "1", "--expires", "4000"), 2, "expiresSeconds"),
            (("carrier-b", "-1"), 2, ""),
        ):
            outcome = await there.command("trunks", "activity", *arguments)
            assert outcome.code == code, outcome
            assert said in outcome.err
