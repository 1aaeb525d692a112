from __future__ import annotations

from unit.cli.api_service import service


async def test_a_route_of_the_other_direction_is_named_with_the_way_to_ask_about_it() -> None:
    async with service() as there:
        await there.said(
            *("routes", "create", "office", "--number", "+4930123"),
            *("--direction", "inbound", "--trunk", "carrier-a"),
        )
        outcome = await there.command("routes", "decide", "+4930123")
        assert outcome.code == 1
        assert "a call counts as outbound unless --direction says inbound." in outcome.out
        inbound = await there.command("routes", "decide", "+4930123", "--direction", "inbound")
        assert "goes over route office" in inbound.out
