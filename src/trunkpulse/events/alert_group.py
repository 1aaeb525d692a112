"""The trunks of one alert, kept by how they stand, so that no step has to look at all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain, islice

from trunkpulse.model import Reason, TrunkState
from trunkpulse.ports import AlertKind, AlertMember, AlertRecord, MemberRecord

__all__ = ["BY_HAND", "TROUBLE", "TROUBLES", "AlertGroup", "Member", "Standing"]

TROUBLES = (TrunkState.DOWN, TrunkState.DEGRADED)
"""States that an alert begins with, unless somebody brought them about."""
BY_HAND = (Reason.ADMIN_DISABLED, Reason.ADMIN_ENABLED, Reason.LICENSE_RESTORED)
"""Somebody disabled the trunk, or just enabled it, or turned its keepalives off, or the licence
covers it again: no trouble."""


class Standing(IntEnum):
    """Where a trunk stands in its alert; the worst first."""

    DOWN = 0
    DEGRADED = 1
    """Or UNKNOWN: no longer down, and not yet well."""
    HELD = 2
    """It is well, but it flaps: that is not believed yet."""
    BACK = 3
    """It was in this alert, and is well."""
    SILENT = 4
    """In trouble under maintenance: nobody is told."""


TROUBLE = (Standing.DOWN, Standing.DEGRADED, Standing.HELD)
"""What keeps an alert open."""


@dataclass(slots=True)
class Member:
    """A trunk in an alert."""

    seen: AlertMember
    silent_until_ms: int | None = None
    standing: Standing = Standing.DOWN

    def judged(self) -> Standing:
        """Where it stands, by what is known of it."""
        if self.silent_until_ms is not None:
            return Standing.SILENT
        match self.seen.state:
            case TrunkState.AVAILABLE:
                return Standing.HELD if self.seen.flapping else Standing.BACK
            case TrunkState.DOWN:
                return Standing.DOWN
            case _:
                return Standing.DEGRADED


class AlertGroup:
    """An alert that is open or about to be: what it is about, what was told, what is to be."""

    def __init__(self, record: AlertRecord) -> None:
        self.key = record.key
        self.labels = record.labels
        self.alert_id = record.alert_id
        self.opened_ms = record.opened_ms
        self.asked_ms = record.asked_ms
        self.told_ms = record.told_ms
        self.due_ms = record.due_ms
        self.pinned: Mapping[str, str] = record.pinned
        self.position = record.position
        self.telling: AlertKind | None = None
        """What the destination is being told right now."""
        self.has_news = False
        """Something happened that the destination has not been told."""
        self.planned_ms: int | None = None
        """When it is looked at again; not kept."""
        self.refused = False
        """The destination refused the trigger, and has not been asked again; not kept."""
        self.failures = 0
        """How often in a row it did not take what it was told."""
        self.members: dict[str, Member] = {}
        self._by_standing: dict[Standing, dict[str, None]] = {each: {} for each in Standing}

    def bring_forward(self, by_ms: int) -> None:
        """By the clock as it is now, all this was, or is to be, so much sooner."""
        self.asked_ms = _sooner(self.asked_ms, by_ms)
        self.told_ms = _sooner(self.told_ms, by_ms)
        self.due_ms = _sooner(self.due_ms, by_ms)

    def put(self, member: Member) -> bool:
        """Add it, or notice how it stands now; False if that is as before."""
        trunk_id = member.seen.trunk_id
        standing = member.judged()
        if trunk_id in self.members:
            if member.standing is standing:
                return False
            del self._by_standing[member.standing][trunk_id]
        self.members[trunk_id] = member
        self._by_standing[standing][trunk_id] = None
        member.standing = standing
        return True

    def drop(self, trunk_id: str) -> None:
        """It is no longer one of this alert's trunks."""
        member = self.members.pop(trunk_id)
        del self._by_standing[member.standing][trunk_id]

    def count(self, *standings: Standing) -> int:
        """How many trunks stand so."""
        return sum(len(self._by_standing[each]) for each in standings)

    def standing(self, *standings: Standing) -> Iterator[Member]:
        """The trunks that stand so, in this order, and those of each in the order they came to."""
        ids = chain.from_iterable(self._by_standing[each] for each in standings)
        return (self.members[trunk_id] for trunk_id in ids)

    def first(self, most: int, standings: Iterable[Standing]) -> tuple[AlertMember, ...]:
        """What is known of the first ``most`` of them."""
        return tuple(member.seen for member in islice(self.standing(*standings), most))

    @property
    def in_trouble(self) -> bool:
        """True while there is something to alert of."""
        return any(self._by_standing[each] for each in TROUBLE)

    def record(self) -> AlertRecord:
        """What has to outlive this process; what is being told may not have arrived."""
        unheard = self.due_ms is None and self.telling is not None
        return AlertRecord(
            key=self.key,
            labels=self.labels,
            alert_id=self.alert_id,
            opened_ms=self.opened_ms,
            asked_ms=self.asked_ms,
            told_ms=self.told_ms,
            due_ms=self.asked_ms if unheard else self.due_ms,
            pinned=self.pinned,
            position=self.position,
        )

    def member_record(self, trunk_id: str) -> MemberRecord:
        """The same of one of its trunks."""
        member = self.members[trunk_id]
        return MemberRecord(
            key=self.key, member=member.seen, silent_until_ms=member.silent_until_ms
        )


def _sooner(moment_ms: int | None, by_ms: int) -> int | None:
    return None if moment_ms is None else moment_ms - by_ms
