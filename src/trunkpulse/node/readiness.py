"""Whether a node should get traffic."""

from __future__ import annotations

from trunkpulse.probing.isolation import Isolation
from trunkpulse.probing.prober import Prober
from trunkpulse.recorder import Recorder

__all__ = ["problems_of"]

OVERDUE_SECONDS = 5.0


def problems_of(recorder: Recorder, isolation: Isolation, prober: Prober) -> list[str]:
    """Why a node of these parts should get no traffic, one sentence each; empty: it is ready."""
    problems: list[str] = []
    if not recorder.available:
        problems.append(
            f"The database does not take what is decided, and {len(recorder)} trunks wait to "
            "be recorded; check that its disk is there and not full."
        )
    evidence = isolation.evidence
    if evidence is not None:
        problems.append(
            f"This prober is isolated ({evidence.problem}), so the states of trunks are held; "
            "check this machine's network."
        )
    overdue = prober.turns.overdue_seconds()
    if overdue > OVERDUE_SECONDS:
        problems.append(
            f"Probes are {overdue:.0f} s overdue, so states may be stale; check the load of "
            "this machine."
        )
    return problems
