"""What is said of keepalives that pause because calls are up."""

from __future__ import annotations

import pytest

from trunkpulse.health.explain import TargetView, explain
from trunkpulse.model import AttemptEvidence, TargetState, Trunk, TrunkState, TrunkStatus

NOW_MS = 1_700_000_000_000


def view(number: int, *, calls: int, paused: bool, proved_ms: int | None) -> TargetView:
    evidence = AttemptEvidence(
        target=f"sip:192.0.2.{number}",
        address=f"udp:192.0.2.{number}:5060",
        state=TargetState.AVAILABLE,
        code=200,
        failure=None,
        detail=None,
        rtt_ms=20.0,
        at_ms=NOW_MS,
        failed_attempts=0,
        last_success_ms=NOW_MS,
    )
    return TargetView(
        evidence=evidence, next_in_seconds=18, calls=calls, paused=paused, proved_ms=proved_ms
    )


RUNS = view(1, calls=12, paused=True, proved_ms=NOW_MS - 12_000)
ONE = view(1, calls=1, paused=True, proved_ms=NOW_MS - 300)
RESTS = view(2, calls=0, paused=False, proved_ms=None)
SILENT = view(2, calls=3, paused=False, proved_ms=NOW_MS - 90_000)


@pytest.mark.parametrize(
    ("views", "said"),
    [
        ([RUNS], "Keepalives pause while 12 calls are up (last proof 12 s ago)."),
        ([ONE], "Keepalives pause while 1 call is up (last proof less than 1 s ago)."),
        (
            [RUNS, RESTS],
            "Keepalives of 1 of 2 targets pause while 12 calls are up (last proof 12 s ago).",
        ),
        ([RESTS, SILENT], "The next probe leaves in 18 s."),
    ],
)
def test_it_is_said_of_those_that_pause_alone(views: list[TargetView], said: str) -> None:
    trunk = Trunk(id="a", name="A", targets=tuple(each.evidence.target for each in views))
    status = TrunkStatus(TrunkState.AVAILABLE, None, NOW_MS - 60_000)
    told = explain(trunk, status, views, admin_enabled=True, now_ms=NOW_MS)
    assert told.next.endswith(said)
