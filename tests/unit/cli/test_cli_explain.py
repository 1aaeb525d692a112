from __future__ import annotations

import json

from trunkpulse.cli.output import clock_time
from trunkpulse.model import FailureKind, IsolationEvidence, IsolationRule
from trunkpulse.probing.doubts import Ruling, Trusting
from trunkpulse.probing.target import ProbeTarget
from unit.cli.api_service import service
from unit.http.api_world import NOW_MS


class Holding(Trusting):
    """What a prober goes by that is isolated."""

    def failed(self, target: ProbeTarget, kind: FailureKind) -> Ruling:
        del target, kind
        return Ruling.HELD


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


async def test_explain_says_that_the_prober_is_isolated_and_what_was_taken_back() -> None:
    async with service() as there:
        world = there.world
        world.succeed("carrier-b", times=2)
        world.clock.seconds = 3
        world.fail("carrier-b", times=1)
        world.pipeline.doubts = Holding()
        world.pipeline.doubts.evidence = IsolationEvidence(
            rule=IsolationRule.PEERS, since_ms=world.context.now_ms(), problem="nobody answers"
        )
        world.fail("carrier-b", times=1)
        out = await there.said("trunks", "explain", "carrier-b")
    (following,) = (line for line in out.splitlines() if line.startswith("next"))
    assert "The prober has been isolated for " in following
    assert "(nobody answers): states are held" in following
    assert out.rstrip().endswith(
        "  failed \N{MULTIPLICATION SIGN}2  no final answer within 4 s"
        " (not counted: the prober was isolated)"
    )


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
