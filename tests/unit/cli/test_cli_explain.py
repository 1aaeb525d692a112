from __future__ import annotations

import json

from trunkpulse.cli.output import clock_time
from unit.cli.api_service import service
from unit.http.api_world import NOW_MS


async def test_explain_says_why_and_what_happens_next() -> None:
    async with service() as there:
        there.world.fail("carrier-b")
        out = await there.said("trunks", "explain", "carrier-b")
        raw = json.loads(await there.said("trunks", "explain", "carrier-b", "--json"))
    assert out.startswith(f"DOWN  {raw['summary']}\nrule  {raw['rule']}\nnext  {raw['next']}\n")
    assert "sip:[::1]:5063  DOWN\n" in out
    (run,) = (line for line in out.splitlines() if "failed" in line and "rule" not in line)
    assert run.endswith("  failed \N{MULTIPLICATION SIGN}3  no final answer within 4 s")


async def test_explain_joins_attempts_that_went_alike_and_keeps_their_order() -> None:
    async with service() as there:
        there.world.succeed("carrier-b", times=1)
        there.world.clock.seconds = 3
        there.world.fail("carrier-b", times=1)
        there.world.clock.seconds = 10
        there.world.fail("carrier-b", times=1)
        there.world.clock.seconds = 20
        there.world.succeed("carrier-b", times=1)
        out = await there.said("trunks", "explain", "carrier-b")
    first, joined, last = (line for line in out.splitlines() if line.startswith("  20"))
    assert first.endswith("  healthy    answered 200 after 12.5 ms")
    start, _, rest = joined.partition(" \N{EN DASH} ")
    assert start == f"  {clock_time(NOW_MS + 3000)}"
    assert rest == (
        f"{clock_time(NOW_MS + 10_000).split()[1]}"
        "  failed \N{MULTIPLICATION SIGN}2  no final answer within 4 s"
    )
    assert last.endswith("  healthy    answered 200 after 12.5 ms")
    assert first.index("healthy") == joined.index("failed") == last.index("healthy")


async def test_explain_gives_each_of_several_targets_a_line() -> None:
    async with service() as there:
        there.world.fail("carrier-a")
        there.world.fail("carrier-a", place=1)
        out = await there.said("trunks", "explain", "carrier-a")
        raw = json.loads(await there.said("trunks", "explain", "carrier-a", "--json"))
    head, one, other, rule = out.splitlines()[:4]
    assert head.endswith("2 of 2 targets down, 1 needed;")
    assert one.startswith("      sip:127.0.0.1:5061 does not answer")
    assert other.startswith("      sip:127.0.0.1:5062 does not answer")
    assert rule.startswith("rule  ")
    assert f"{head} {one.strip()} {other.strip()}" == f"DOWN  {raw['summary']}"
