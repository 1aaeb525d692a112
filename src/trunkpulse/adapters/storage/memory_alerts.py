"""AlertStore and MaintenanceStore without a disk: the same answers as a database."""

from __future__ import annotations

from collections import defaultdict

from trunkpulse.model import MaintenanceWindow
from trunkpulse.ports import AlertCommit, AlertRecord, MemberRecord

__all__ = ["MemoryAlerts"]


class MemoryAlerts:
    """Alerts and maintenance windows, in plain dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self._alerts: defaultdict[str, dict[str, AlertRecord]] = defaultdict(dict)
        """By stream and key."""
        self._alert_members: defaultdict[str, dict[tuple[str, str], MemberRecord]]
        self._alert_members = defaultdict(dict)
        """By stream, key and trunk."""
        self._windows: dict[str, MaintenanceWindow] = {}

    async def load_alerts(self, stream_id: str) -> tuple[list[AlertRecord], list[MemberRecord]]:
        """All that is kept of a stream's alerts."""
        members = self._alert_members[stream_id].values()
        in_order = sorted(members, key=lambda each: (each.member.since_ms, each.member.trunk_id))
        return list(self._alerts[stream_id].values()), in_order

    async def save_alerts(self, stream_id: str, commit: AlertCommit) -> None:
        """Write all in one step."""
        alerts, members = self._alerts[stream_id], self._alert_members[stream_id]
        ended = frozenset(commit.ended)
        if ended:
            for key in [each for each in members if each[0] in ended]:
                del members[key]
        for group in ended:
            alerts.pop(group, None)
        for left in commit.left:
            members.pop(left, None)
        alerts.update((record.key, record) for record in commit.alerts)
        members.update(((each.key, each.member.trunk_id), each) for each in commit.members)

    async def load_windows(self) -> list[MaintenanceWindow]:
        """All of them, by id."""
        return sorted(self._windows.values(), key=lambda each: each.id)

    async def save_window(self, window: MaintenanceWindow, now_ms: int) -> None:
        """Write it, in place of one with the same id."""
        del now_ms  # only a person who looks into a database asks when
        self._windows[window.id] = window

    async def remove_window(self, window_id: str) -> None:
        """Drop it, if it is there."""
        self._windows.pop(window_id, None)

    def _forget_alerts(self, stream_id: str) -> None:
        self._alerts.pop(stream_id, None)
        self._alert_members.pop(stream_id, None)
