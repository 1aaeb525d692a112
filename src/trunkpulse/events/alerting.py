"""Few alerts of many events: the state machine of one stream that wakes people.

A stream of events says what each trunk does. A person wants to hear once that a carrier is in
trouble, how it goes on, and once that it is over. So trunks that have something in common form a
*group*, and what is told is the group's *alert*:

    first trouble ── wait ──► TRIGGER ──► UPDATE … ──► RESOLVE
                      │                               when the last trunk is back
                      └ all back before anything was told: nothing is told

* The first news of a group waits ``group_wait_seconds`` for others, so that 10,000 trunks that
  fail together are one alert. What has passed by then wakes nobody.
* From the first attempt to tell the trigger on, the destination may know of it. So the trigger is
  told until it is taken, whatever happens meanwhile, and the end after it: no alert stays open.
* An open alert is updated no more often than ``update_seconds``. Its end is told at once. If that
  was not taken, and trouble is back, it goes on as the alert that it was: should the end have
  arrived after all, the destination opens it again.
* A trunk that changes ``flapping_changes`` times in ``flapping_seconds`` *flaps*: that it is back
  is believed when it has been quiet for as long. This concerns alerts only, never calls.
* A trunk that gets into trouble under *maintenance* is silent. If it still is in trouble when the
  window ends, it is told then, at once. One that was told of before the window stays told.

It is given the moment with every call and never waits for anything. Whoever drives it keeps what
``take`` gives in a store, and hands it back after a restart. A change may be learnt twice in a
row, as happens after a crash: nothing comes of it the second time.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable
from dataclasses import replace

from trunkpulse.events.alert_changes import Unsaved
from trunkpulse.events.alert_group import BY_HAND, TROUBLE, TROUBLES, AlertGroup, Member, Standing
from trunkpulse.events.alert_news import News, Silence
from trunkpulse.events.alert_text import alert_of
from trunkpulse.events.flapping import Flapping
from trunkpulse.model import AlertSettings, TrunkState
from trunkpulse.ports import (
    Alert,
    AlertCommit,
    AlertKind,
    AlertMember,
    AlertRecord,
    MemberRecord,
)

__all__ = ["Alerting", "News", "Silence"]


def _never(_trunk_id: str) -> int | None:
    return None


class Alerting:
    """See the module's opening. Moments are milliseconds since the epoch."""

    def __init__(
        self, stream_id: str, settings: AlertSettings, *, new_id: Callable[[], str]
    ) -> None:
        """``new_id`` gives an alert an id that no other has."""
        self._stream_id = stream_id
        self._wait_ms = round(settings.group_wait_seconds * 1000)
        self._update_ms = round(settings.update_seconds * 1000)
        self._flapping = Flapping(
            changes=settings.flapping_changes, within_ms=round(settings.flapping_seconds * 1000)
        )
        self._new_id = new_id
        self._groups: dict[str, AlertGroup] = {}
        self._group_of: dict[str, AlertGroup] = {}
        """By trunk id."""
        self._telling: dict[str, AlertGroup] = {}
        """By alert id, those whose destination has not answered yet."""
        self._due: list[tuple[int, str]] = []
        """(moment, key) of groups; a heap in which what no longer holds is passed over."""
        self._checks: list[tuple[int, str]] = []
        """(moment, trunk id) of those that may cease to flap or to be silent; likewise."""
        self._unsaved = Unsaved()

    # --- what is kept -------------------------------------------------------------------------

    def restore(self, alerts: Iterable[AlertRecord], members: Iterable[MemberRecord]) -> None:
        """Take back what was kept, some members at a time; ``resume`` follows."""
        for record in alerts:
            self._groups[record.key] = AlertGroup(record)
        for each in members:
            group = self._groups[each.key]
            member = Member(each.member, each.silent_until_ms)
            group.put(member)
            self._group_of[each.member.trunk_id] = group
            self._check_later(member)

    def resume(self, now_ms: int) -> None:
        """All is restored: go on from there."""
        for group in list(self._groups.values()):
            if group.asked_ms is not None and group.told_ms is None:
                group.due_ms = now_ms  # if it was refused, that may have been corrected
            self._go_on(group, now_ms, visible=False)

    def take(self) -> AlertCommit:
        """What has changed since the last call and has to be kept."""
        return self._unsaved.take(self._groups)

    def put_back(self, commit: AlertCommit) -> None:
        """What ``take`` gave could not be kept: it is given again."""
        self._unsaved.put_back(commit)

    def keys(self) -> list[str]:
        """Of all groups."""
        return list(self._groups)

    def bring_forward(self, key: str, by_ms: int) -> None:
        """The clock was set back: what is planned for a group is so much sooner, if it is there."""
        group = self._groups.get(key)
        if group is not None:
            group.bring_forward(by_ms)
            self._unsaved.group(key)
            self._plan(group)

    # --- what happens to trunks ---------------------------------------------------------------

    def members(self) -> list[AlertMember]:
        """The trunks of all alerts."""
        return [member.seen for group in self._groups.values() for member in group.members.values()]

    def learn(self, news: News, now_ms: int, silence: Silence = _never) -> bool:
        """A trunk has changed. False, and nothing comes of it, if later news of it is known."""
        trunk_id = news.trunk_id
        in_trouble = news.state in TROUBLES
        group = self._group_of.get(trunk_id)
        known = None if group is None else group.members[trunk_id]
        if known is not None:
            seen = known.seen
            if news.at_ms < seen.since_ms:
                return False  # it is replayed
            if (seen.state, seen.reason, seen.since_ms) == (news.state, news.reason, news.at_ms):
                return True
            if news.state is TrunkState.UNKNOWN and seen.state is TrunkState.AVAILABLE:
                return True  # no trouble yet
        if news.reason in BY_HAND:
            self.leave(trunk_id, now_ms)
            return True
        flaps = self._flapping.count(trunk_id, news.at_ms)
        if group is None or known is None:
            if not in_trouble:
                return True
            group = self._group_for(news, now_ms)
            member = Member(news.seen(flapping=flaps), silence(trunk_id))
            self._group_of[trunk_id] = group
            visible = True
        else:
            member = known
            # What a trunk that flaps does meanwhile is not worth a word.
            visible = not known.seen.flapping
            if known.standing is Standing.BACK and in_trouble:
                member.silent_until_ms = silence(trunk_id)
                visible = True
            member.seen = news.seen(flapping=flaps or known.seen.flapping)
        group.position = max(group.position, news.position)
        self._unsaved.group(group.key)
        self._stand(group, member)
        self._check_later(member)
        self._go_on(group, now_ms, visible=visible)
        return True

    def leave(self, trunk_id: str, now_ms: int) -> None:
        """A trunk is no longer configured, or not watched: what was the matter with it is over."""
        group = self._group_of.get(trunk_id)
        if group is not None:
            self._drop(group, trunk_id)
            self._go_on(group, now_ms, visible=True)

    def silences_changed(self, now_ms: int) -> None:
        """Maintenance was called off or planned: those that are silent are looked at anew."""
        for group in self._groups.values():
            for member in group.standing(Standing.SILENT):
                member.silent_until_ms = now_ms
                heapq.heappush(self._checks, (now_ms, member.seen.trunk_id))

    # --- what is told -------------------------------------------------------------------------

    def next_ms(self) -> int | None:
        """When there is something to do; None if nothing is without further news."""
        return min([heap[0][0] for heap in (self._due, self._checks) if heap], default=None)

    def due(self, now_ms: int, most: int, silence: Silence | None = None) -> list[Alert]:
        """What is to be told now, at most one of each group until its answer is reported.

        ``silence`` is None if no maintenance is going on at all.
        """
        self._check(now_ms, silence or _never)
        found: list[Alert] = []
        while len(found) < most and self._due and self._due[0][0] <= now_ms:
            due_ms, key = heapq.heappop(self._due)
            group = self._groups.get(key)
            if group is None:
                continue
            group.planned_ms = None
            if group.due_ms != due_ms or group.telling is not None:
                self._plan(group)
                continue
            if group.asked_ms is None and silence is not None:
                self._silence(group, now_ms, silence)
                if key not in self._groups or group.due_ms is None:
                    continue
            found.append(self._compose(group, now_ms))
        return found

    def told(self, alert: Alert, now_ms: int) -> None:
        """The destination has taken ``alert``, whose ``pinned`` is what it wants back."""
        group = self._answered(alert)
        group.failures = 0
        if alert.kind is AlertKind.RESOLVE:
            self._end(group, now_ms)
            return
        group.told_ms = now_ms
        group.pinned = alert.pinned
        self._go_on_anew(group, now_ms)

    def failed(self, alert: Alert, again_ms: int) -> None:
        """It did not, but may later: it is told, as it is by then, at ``again_ms``."""
        group = self._answered(alert)
        group.failures += 1
        group.due_ms = again_ms
        self._plan(group)

    def failures(self, alert: Alert) -> int:
        """How often in a row what was told of its group was not taken."""
        return self._telling[alert.alert_id].failures

    def refused(self, alert: Alert, now_ms: int) -> None:
        """It never will take this: only further news of the group is told."""
        group = self._answered(alert)
        group.failures = 0
        if alert.kind is AlertKind.RESOLVE:
            self._end(group, now_ms)
            return
        group.refused = alert.kind is AlertKind.TRIGGER
        if not group.refused:
            group.told_ms = now_ms
        self._go_on_anew(group, now_ms)

    # --- inside -------------------------------------------------------------------------------

    def _group_for(self, news: News, now_ms: int) -> AlertGroup:
        key = json.dumps(news.labels) if news.labels else news.trunk_id
        group = self._groups.get(key)
        return group or self._open(key, news.labels, min(news.at_ms, now_ms))

    def _open(self, key: str, labels: tuple[tuple[str, str], ...], opened_ms: int) -> AlertGroup:
        alert_id = self._new_id()
        record = AlertRecord(key=key, labels=labels, alert_id=alert_id, opened_ms=opened_ms)
        group = self._groups[key] = AlertGroup(record)
        self._unsaved.group(key)
        return group

    def _stand(self, group: AlertGroup, member: Member) -> None:
        """Put it where it stands now; one that is well, and that nobody was told of, goes."""
        trunk_id = member.seen.trunk_id
        if member.seen.state is TrunkState.AVAILABLE and (
            member.silent_until_ms is not None
            or (group.asked_ms is None and not member.seen.flapping)
        ):
            self._drop(group, trunk_id)
            return
        group.put(member)
        self._unsaved.member(group.key, trunk_id)

    def _drop(self, group: AlertGroup, trunk_id: str) -> None:
        group.drop(trunk_id)
        del self._group_of[trunk_id]
        self._unsaved.left(group.key, trunk_id)

    def _go_on_anew(self, group: AlertGroup, now_ms: int) -> None:
        """The destination has answered."""
        self._unsaved.group(group.key)
        self._go_on(group, now_ms, visible=False)

    def _go_on(
        self, group: AlertGroup, now_ms: int, *, visible: bool, at_once: bool = False
    ) -> None:
        """Decide what is to be told of the group, and when; ``visible`` if there is news."""
        if group.asked_ms is None and not group.members:
            self._forget(group)
            return
        if group.refused and not group.in_trouble:
            self._end(group, now_ms)  # nobody was told, so nobody is, though it was to be tried
            return
        group.has_news |= visible
        due_ms = self._due_of(group, now_ms, at_once=at_once)
        if due_ms != group.due_ms:
            group.due_ms = due_ms
            self._unsaved.group(group.key)
        self._plan(group)

    def _due_of(self, group: AlertGroup, now_ms: int, *, at_once: bool) -> int | None:
        if group.telling is not None:
            return group.due_ms  # its answer comes first
        if group.asked_ms is None:
            if not group.in_trouble:
                return None
            waits = group.due_ms is not None and not at_once
            return group.due_ms if waits else now_ms + (0 if at_once else self._wait_ms)
        if group.told_ms is not None and not group.in_trouble and not group.failures:
            return now_ms
        if group.due_ms is not None or not group.has_news:
            return group.due_ms
        return max(now_ms, (group.told_ms or now_ms) + self._update_ms)

    def _plan(self, group: AlertGroup) -> None:
        due_ms = group.due_ms
        if due_ms is not None and due_ms != group.planned_ms and group.telling is None:
            group.planned_ms = due_ms
            heapq.heappush(self._due, (due_ms, group.key))

    def _compose(self, group: AlertGroup, now_ms: int) -> Alert:
        if group.asked_ms is None:
            group.asked_ms = now_ms
        if group.told_ms is None:
            kind = AlertKind.TRIGGER
        else:
            kind = AlertKind.UPDATE if group.in_trouble else AlertKind.RESOLVE
        group.telling, group.due_ms, group.has_news, group.refused = kind, None, False, False
        self._telling[group.alert_id] = group
        self._unsaved.group(group.key)
        return alert_of(group, kind, stream_id=self._stream_id, now_ms=now_ms)

    def _answered(self, alert: Alert) -> AlertGroup:
        group = self._telling.pop(alert.alert_id)
        group.telling = None
        return group

    def _end(self, group: AlertGroup, now_ms: int) -> None:
        """The alert is over; who is in trouble by now, or silent, is for the next one."""
        self._forget(group)
        rest = [member for member in group.members.values() if member.standing is not Standing.BACK]
        if not rest:
            return
        opened_ms = min(member.seen.since_ms for member in rest)
        fresh = self._open(group.key, group.labels, min(opened_ms, now_ms))
        fresh.position = group.position
        for member in rest:
            fresh.put(member)
            self._group_of[member.seen.trunk_id] = fresh
            self._unsaved.member(group.key, member.seen.trunk_id)
        self._go_on(fresh, now_ms, visible=True)

    def _forget(self, group: AlertGroup) -> None:
        for trunk_id in group.members:
            del self._group_of[trunk_id]
        del self._groups[group.key]
        self._unsaved.ended(group.key)

    # --- flapping and maintenance -------------------------------------------------------------

    def _check_later(self, member: Member) -> None:
        seen = member.seen
        if member.silent_until_ms is not None:
            heapq.heappush(self._checks, (member.silent_until_ms, seen.trunk_id))
        if seen.flapping:
            heapq.heappush(self._checks, (self._flapping.quiet_ms(seen.since_ms), seen.trunk_id))

    def _check(self, now_ms: int, silence: Silence) -> None:
        """Look at those whose silence, or whose flapping, may have ended."""
        while self._checks and self._checks[0][0] <= now_ms:
            _, trunk_id = heapq.heappop(self._checks)
            group = self._group_of.get(trunk_id)
            if group is None:
                continue
            member = group.members[trunk_id]
            before, at_once = member.standing, False
            if member.seen.flapping and self._flapping.quiet_ms(member.seen.since_ms) <= now_ms:
                member.seen = replace(member.seen, flapping=False)
            if member.silent_until_ms is not None and member.silent_until_ms <= now_ms:
                member.silent_until_ms = silence(trunk_id)
                at_once = member.silent_until_ms is None
                self._check_later(member)
            self._stand(group, member)
            if trunk_id not in group.members or member.standing is not before:
                self._go_on(group, now_ms, visible=True, at_once=at_once)

    def _silence(self, group: AlertGroup, now_ms: int, silence: Silence) -> None:
        """Maintenance may have begun while the first news waited."""
        for member in list(group.standing(*TROUBLE)):
            member.silent_until_ms = silence(member.seen.trunk_id)
            if member.silent_until_ms is not None:
                self._stand(group, member)
                self._check_later(member)
        self._go_on(group, now_ms, visible=False)
