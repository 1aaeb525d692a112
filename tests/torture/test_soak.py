"""A soak as ``scripts/soak`` runs it, but short: a fifth of the targets fail all the time."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from benchmarks.processes import Cores
from benchmarks.soak import Soak, soak

SHORT = Soak(targets=300, seconds=18.0, failing=0.2, interval_seconds=1.0, report_seconds=2.0)


async def test_every_change_of_a_short_soak_is_what_the_far_side_did(tmp_path: Path) -> None:
    outcome = await soak(SHORT, tmp_path, Cores(None, None), Console(file=io.StringIO()))
    assert outcome.differences == []
    # It did happen: outages were found and came to an end, and each target came up first.
    assert outcome.outages > 50
    assert outcome.changes > SHORT.targets + outcome.outages / 2
    assert outcome.failed_requests > 3 * 50
    tasks = [sample.tasks for sample in outcome.samples]
    assert min(tasks[-3:]) <= max(tasks[:3])
    descriptors = [sample.descriptors for sample in outcome.samples]
    assert min(descriptors[-3:]) <= max(descriptors[:3])
