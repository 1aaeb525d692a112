"""What a maintenance window in the file becomes."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

from trunkpulse.model import MaintenanceWindow, Recurrence, Repeat, Weekday
from unit.config.loading import load

FILE = """
[[maintenance]]
id = "acme-move"
name = "Acme moves"
carriers = ["acme"]
starts = 2026-12-06T02:00:00+01:00
ends = "2026-12-06T05:00:00+01:00"

[[maintenance]]
id = "local"
starts = 2026-07-06T02:00:00
ends = 2026-07-06 03:00:00
time_zone = "Europe/Berlin"

[[maintenance]]
id = "patches"
regions = ["us-east"]
repeat = "weekly"
days = ["sunday", "wednesday", "sunday"]
at = 02:30:00
duration_seconds = 7200
time_zone = "America/New_York"
"""


def ms(*moment: int) -> int:
    year, month, day, hour = moment
    return round(datetime(year, month, day, hour, tzinfo=UTC).timestamp() * 1000)


def test_windows_are_once_or_again_and_managed_by_their_file(tmp_path: Path) -> None:
    assert load(tmp_path, FILE).maintenance == (
        MaintenanceWindow(
            id="acme-move",
            name="Acme moves",
            carriers=("acme",),
            starts_ms=ms(2026, 12, 6, 1),
            ends_ms=ms(2026, 12, 6, 4),
            managed_by="edge.toml",
        ),
        MaintenanceWindow(
            id="local",
            name="local",
            starts_ms=ms(2026, 7, 6, 0),
            ends_ms=ms(2026, 7, 6, 1),
            managed_by="edge.toml",
        ),
        MaintenanceWindow(
            id="patches",
            name="patches",
            regions=("us-east",),
            recurrence=Recurrence(
                repeat=Repeat.WEEKLY,
                at=time(2, 30),
                duration_seconds=7200,
                days=(Weekday.SUNDAY, Weekday.WEDNESDAY),
                time_zone="America/New_York",
            ),
            managed_by="edge.toml",
        ),
    )
