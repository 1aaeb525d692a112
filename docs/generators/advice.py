"""Every kind of advice, read from the table that accepting goes by."""

from __future__ import annotations

from generators.markdown import table
from trunkpulse.config.advice.codes import RULES

__all__ = ["advice_codes"]


def advice_codes() -> str:
    """Every code with its severity, when it is given, why, and what to do."""
    return table(
        ("`code`", "severity", "when", "why", "what to do"),
        (
            (f"`{rule.code}`", rule.severity, rule.when, rule.why, rule.fix)
            for rule in sorted(RULES)
        ),
    )
