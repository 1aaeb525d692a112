"""States of targets, trunks and transactions, read from the tables that decide them."""

from __future__ import annotations

from itertools import product

from generators.markdown import mermaid, table
from trunkpulse.health.hysteresis import RULES
from trunkpulse.health.rollup import roll_up
from trunkpulse.model import FailureKind, Reason, TargetState, TrunkState
from trunkpulse.sip.transaction import transition_table

__all__ = [
    "failure_kinds",
    "rollup_table",
    "target_diagram",
    "target_rules",
    "transaction_rules",
    "trunk_diagram",
]


def _needed(*, success: bool) -> str:
    return "min_successful_attempts" if success else "max_failed_attempts"


def target_diagram() -> str:
    """How a target's state changes."""
    return mermaid([
        f"[*] --> {TargetState.UNKNOWN}",
        *(
            f"{state} --> {towards}: {_needed(success=success)} in a row"
            for (state, success), towards in RULES.items()
            if towards is not state
        ),
    ])  # fmt: skip


def target_rules() -> str:
    """The same as a table."""
    return table(
        ("state", "attempt", "what follows"),
        (
            (
                f"`{state}`",
                "succeeds" if success else "fails",
                "stays"
                if towards is state
                else f"`{towards}` after `{_needed(success=success)}` in a row",
            )
            for (state, success), towards in RULES.items()
        ),
    )


def trunk_changes() -> list[tuple[TrunkState, TrunkState]]:
    """Every change of a trunk that the changes of its targets can bring about.

    Found by walking through all states that trunks of up to three targets can reach.
    """
    found: set[tuple[TrunkState, TrunkState]] = set()
    for count in (1, 2, 3):
        for needed in range(1, count + 1):
            start = ((TargetState.UNKNOWN,) * count, TrunkState.UNKNOWN)
            seen, waiting = {start}, [start]
            while waiting:
                targets, trunk = waiting.pop()
                for place, success in product(range(count), (True, False)):
                    moved = list(targets)
                    moved[place] = RULES[targets[place], success]
                    after = roll_up(moved, min_available=needed, previous=trunk)
                    if after is not trunk:
                        found.add((trunk, after))
                    following = (tuple(moved), after)
                    if following not in seen:
                        seen.add(following)
                        waiting.append(following)
    order = list(TrunkState)
    return sorted(found, key=lambda change: (order.index(change[0]), order.index(change[1])))


def trunk_diagram() -> str:
    """How a trunk's state changes, by its targets, by an administrator and by the licence."""
    failures = sorted({str(kind.reason) for kind in FailureKind})
    lines = [f"[*] --> {TrunkState.UNKNOWN}"]
    for before, after in trunk_changes():
        reasons = [str(Reason.KEEPALIVE_RESTORED)] if after is TrunkState.AVAILABLE else failures
        lines.append(f"{before} --> {after}: {' or '.join(reasons)}")
    others = [state for state in TrunkState if state is not TrunkState.DOWN]
    away = f"{Reason.ADMIN_DISABLED} or {Reason.LICENSE_ISSUE}"
    back = f"{Reason.ADMIN_ENABLED} or {Reason.LICENSE_RESTORED}"
    lines += [f"{state} --> {TrunkState.DOWN}: {away}" for state in others]
    lines.append(f"{TrunkState.DOWN} --> {TrunkState.UNKNOWN}: {back}")
    return mermaid(lines)


def rollup_table() -> str:
    """What a trunk of two targets is, by how many it needs."""
    pairs = [
        (first, second) for at, first in enumerate(TargetState) for second in list(TargetState)[at:]
    ]

    def cell(pair: tuple[TargetState, TargetState], needed: int) -> str:
        results = {roll_up(pair, min_available=needed, previous=before) for before in TrunkState}
        return f"`{results.pop()}`" if len(results) == 1 else "stays what it was"

    return table(
        ("one target", "the other", "`min_available_targets = 1`", "`min_available_targets = 2`"),
        ((f"`{a}`", f"`{b}`", cell((a, b), 1), cell((a, b), 2)) for a, b in pairs),
    )


def failure_kinds() -> str:
    """Which reason each kind of failure stands for."""
    return table(
        ("failure", "reason of the change"),
        ((f"`{kind}`", f"`{kind.reason}`") for kind in FailureKind),
    )


def transaction_rules() -> str:
    """The client transaction."""
    return table(
        ("state", "what happens", "next state", "what it means"),
        (
            (row.state.value, row.stimulus.value, row.next_state.value, row.event.value)
            for row in transition_table()
        ),
    )
