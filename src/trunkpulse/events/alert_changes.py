"""What has changed in a stream's alerts since it was last kept."""

from __future__ import annotations

from collections.abc import Mapping

from trunkpulse.events.alert_group import AlertGroup
from trunkpulse.ports import AlertCommit

__all__ = ["Unsaved"]


class Unsaved:
    """Notes which groups and members to write, and which to drop.

    Only that they changed is noted; what is written is how they are by then. So a commit that
    could not be written is just noted again.
    """

    def __init__(self) -> None:
        self._ended: dict[str, None] = {}
        self._left: dict[tuple[str, str], None] = {}
        self._groups: dict[str, None] = {}
        self._members: dict[tuple[str, str], None] = {}

    def group(self, key: str) -> None:
        """The group has come, or what is to be told of it has changed."""
        self._groups[key] = None

    def member(self, key: str, trunk_id: str) -> None:
        """The trunk has come, or stands otherwise."""
        self._members[key, trunk_id] = None

    def left(self, key: str, trunk_id: str) -> None:
        """The trunk is no member of the group any more."""
        self._left[key, trunk_id] = None

    def ended(self, key: str) -> None:
        """The group is gone with all its members; another one may come under this key."""
        self._ended[key] = None

    def take(self, groups: Mapping[str, AlertGroup]) -> AlertCommit:
        """All of it, which is from now on in the hands of the caller."""
        commit = AlertCommit(
            ended=tuple(self._ended),
            left=tuple(self._left),
            alerts=tuple([groups[key].record() for key in self._groups if key in groups]),
            members=tuple(
                [
                    groups[key].member_record(trunk_id)
                    for key, trunk_id in self._members
                    if key in groups and trunk_id in groups[key].members
                ]
            ),
        )
        for noted in (self._ended, self._left, self._groups, self._members):
            noted.clear()
        return commit

    def put_back(self, commit: AlertCommit) -> None:
        """What ``take`` gave could not be written."""
        self._ended.update(dict.fromkeys(commit.ended))
        self._left.update(dict.fromkeys(commit.left))
        self._groups.update(dict.fromkeys(record.key for record in commit.alerts))
        self._members.update(
            dict.fromkeys((record.key, record.member.trunk_id) for record in commit.members)
        )
