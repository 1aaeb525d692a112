"""``trunkpulse advice``: listed, accepted and taken back from a shell."""

from __future__ import annotations

import json

from unit.cli.api_service import service

SHORT = "interval_short [keepalive]"
"""What the configuration of the world is advised on."""


async def test_advice_is_accepted_and_taken_back() -> None:
    async with service() as there:
        heading, line = (await there.said("advice", "list")).splitlines()
        assert heading.split() == ["SEVERITY", "CODE", "WHERE", "WHY", "WHAT", "TO", "DO"]
        assert "it is short" in line
        assert await there.said("advice", "accept", SHORT) == (
            f"{SHORT} is accepted, which hides 1 at present.\n"
        )
        assert await there.said("advice", "list") == "There is nothing to reconsider.\n"
        accepted = await there.said("advice", "list", "--accepted")
        assert SHORT in accepted
        assert "the API" in accepted
        assert await there.said("advice", "unaccept", SHORT) == f"{SHORT} is accepted no more.\n"
        assert await there.said("advice", "list", "--accepted") == "No advice is accepted.\n"


async def test_what_no_advice_has_is_accepted_and_said_to_hide_nothing() -> None:
    async with service() as there:
        out = await there.said("advice", "accept", 'nat_off trunk "x"')
        assert out == 'nat_off trunk "x" is accepted, which no advice has now.\n'


async def test_a_code_that_there_is_not_is_one_sentence() -> None:
    async with service() as there:
        outcome = await there.command("advice", "accept", "interval_shrt")
        assert outcome.code == 2
        assert '(did you mean "interval_short"?)' in outcome.complaint


async def test_advice_and_what_is_accepted_are_given_as_json() -> None:
    async with service() as there:
        listed = json.loads(await there.said("advice", "list", "--json"))
        assert [each["id"] for each in listed["entities"]] == [SHORT]
        assert json.loads(await there.said("advice", "accept", SHORT, "--json"))["hides"] == 1
        accepted = json.loads(await there.said("advice", "list", "--accepted", "--json"))
        assert [each["id"] for each in accepted["entities"]] == [SHORT]
        taken_back = json.loads(await there.said("advice", "unaccept", SHORT, "--json"))
        assert taken_back["id"] == SHORT
