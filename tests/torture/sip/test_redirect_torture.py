"""Every torture message of RFC 4475 and RFC 5118, and pieces of them, at the redirect server."""

from __future__ import annotations

import asyncio
import random

import pytest

from contracts.redirect_bench import RedirectBench
from torture.sip.rfc4475_application import APPLICATION
from torture.sip.rfc4475_invalid import INVALID
from torture.sip.rfc4475_valid import VALID
from torture.sip.rfc5118 import IPV6
from virtual_time import run_virtual

MESSAGES = VALID | INVALID | APPLICATION | IPV6
CALLS = {name: data for name, data in MESSAGES.items() if data.startswith(b"INVITE ")}
REDIRECTED = {
    # Whatever it requires or carries: a redirect server looks at neither (RFC 3261 8.3).
    *("wsinv", "esc01", "longreq", "inv2543", "invut", "sdp01", "unksm2", "baddate"),
}
"""Some of those that can be answered, legal or not."""


def hear(*data: bytes) -> RedirectBench:
    async def story() -> RedirectBench:
        bench = RedirectBench()
        for each in data:
            bench.hear(each)
        await asyncio.sleep(60.0)
        return bench

    return run_virtual(story)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_torture_message_is_decided_at_most_once_and_answered_legally(name: str) -> None:
    bench = hear(MESSAGES[name], MESSAGES[name])
    assert len(bench.decided) == bench.counts.answers.get(302, 0) <= 1
    if name in REDIRECTED & CALLS.keys():
        assert bench.wire.codes[0] == 302
    if name not in CALLS:
        assert bench.decided == []


def test_there_are_calls_among_them() -> None:
    assert len(REDIRECTED & CALLS.keys()) >= 5


@pytest.mark.parametrize("seed", range(20))
def test_pieces_of_calls_end_nothing(seed: int) -> None:
    rng = random.Random(seed)
    calls = list(CALLS.values())
    damaged = []
    for _ in range(40):
        one, other = rng.choice(calls), rng.choice(calls)
        cut, paste = rng.randrange(len(one)), rng.randrange(len(other))
        damaged.append(b"INVITE " + one[7:cut] + other[paste:])
        damaged.append(damaged[-1].replace(b"INVITE", rng.choice([b"ACK", b"CANCEL"])))
    bench = hear(*damaged)
    assert bench.counts.answers.get(302, 0) == len(bench.decided)
