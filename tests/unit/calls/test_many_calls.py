"""Thousands of calls of every kind, mixed as a busy switch mirrors them, and counted right."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Iterator

from trunkpulse.calls.hep import Mirrored, frame
from trunkpulse.calls.intake import Fate, Intake
from trunkpulse.calls.ledger import TIMER_B_SECONDS
from unit.calls.calling import FAR, IN, OUT, US, Talk, message

CALLS = 4_000
A_SECOND = 800
THIRD = ("203.0.113.9", 5060)
KINDS = ("hung up", "they hang up", "lasts", "busy", "challenged", "silent", "theirs", "forked")


def messages(kind: str, call: str) -> Iterator[tuple[float, bool, str, dict[str, str]]]:
    """How a call of a kind goes: when, who says it (True: we), and what."""
    first = {"call_id": call, "cseq": "1 INVITE"}
    taken = first | {"to_tag": "t"}
    bye = {"call_id": call, "cseq": "2 BYE"}
    ours = kind != "theirs"
    yield 0.0, ours, "INVITE", first
    if kind == "silent":
        yield 0.5, ours, "INVITE", first
        yield 1.5, ours, "INVITE", first
        return
    yield 0.01, not ours, "100", first
    if kind == "busy":
        yield 0.1, False, "486", taken
        return
    if kind == "challenged":
        yield 0.05, False, "407", taken
        first, taken = first | {"cseq": "2 INVITE"}, taken | {"cseq": "2 INVITE"}
        yield 0.06, True, "INVITE", first
    yield 0.1, not ours, "180", taken
    if kind == "forked":
        yield 0.15, False, "200", taken | {"to_tag": "other"}
        yield 0.16, True, "BYE", bye | {"to_tag": "other"}
    yield 0.2, not ours, "200", taken
    yield 0.25, ours, "ACK", taken | {"cseq": "1 ACK"}
    if kind == "lasts":
        return
    if kind == "they hang up":
        yield 0.9, False, "BYE", bye | {"from_tag": "t", "to_tag": "caller"}
        return
    yield 0.9, ours, "BYE", bye | {"to_tag": "t"}
    yield 0.91, not ours, "200", bye | {"to_tag": "t"}


def mirrored(rng: random.Random, started: Counter[str]) -> Iterator[tuple[float, bytes]]:
    """All frames in the order of arrival; some twice, some with the call's inner leg beside."""
    waiting: list[tuple[float, int, bytes]] = []
    number = 0
    for call in range(CALLS):
        begins = call / A_SECOND
        while waiting and waiting[0][0] < begins:
            at, _, data = heapq.heappop(waiting)
            yield at, data
        kind = rng.choice(KINDS)
        started[kind] += 1
        for after, we, start, headers in messages(kind, f"{call}@switch"):
            line = f"SIP/2.0 {start} X" if start.isdecimal() else f"{start} sip:b@x SIP/2.0"
            payload = message(line, **headers)
            outer = Mirrored(payload, *((US, FAR) if we else (FAR, US)))
            inner = Mirrored(payload, *((THIRD, US) if we else (US, THIRD)))
            luck = rng.random()
            for shown in (outer, *([outer] * (luck < 0.1)), *([inner] * (luck > 0.8))):
                number += 1
                heapq.heappush(waiting, (begins + after, number, frame(shown)))
    while waiting:
        at, _, data = heapq.heappop(waiting)
        yield at, data


def test_thousands_of_calls_are_counted_right() -> None:
    talk = Talk()
    intake = Intake(talk.ledger, None)
    started = Counter[str]()
    most = 0
    for at, data in mirrored(random.Random(7), started):
        intake.take(data, talk.now + at)
        talk.ledger.expire(talk.now + at)
        most = max(most, talk.ledger.calls_up)
    assert started.total() == CALLS
    assert intake.fates.keys() == {Fate.FOLLOWED, Fate.ELSEWHERE}
    assert (talk.ledger.up(OUT), talk.ledger.up(IN)) == (started["lasts"], 0)
    assert most > started["lasts"]
    counts = talk.ledger.counts
    assert counts.begun == CALLS
    assert counts.answered == CALLS - started["silent"] - started["busy"]
    talk.passes(CALLS / A_SECOND + 2 + TIMER_B_SECONDS)
    told = Counter(talk.codes)
    assert told == {
        180: counts.answered - started["theirs"],
        "ack": started["theirs"],
        407: started["challenged"],
        486: started["busy"],
        None: started["silent"],
    }
    assert (len(talk.ledger), counts.crowded_out) == (started["lasts"], 0)
