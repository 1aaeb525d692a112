"""``POST …/trunks/{id}/replay``: what other keepalive settings would have made of the record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Body
from pydantic import Field, WithJsonSchema

from trunkpulse.access import Permission
from trunkpulse.adapters.http.api.admission import AdmittedRoute, requires
from trunkpulse.adapters.http.api.context import ApiContext, Context
from trunkpulse.adapters.http.api.event_search import search_of_trunk
from trunkpulse.adapters.http.api.models import KeepaliveOut, Moment, Out
from trunkpulse.adapters.http.api.problems import Problem, invalid
from trunkpulse.adapters.http.api.reach import InReach, Reach
from trunkpulse.adapters.http.api.stream_schema import document_schema
from trunkpulse.adapters.http.api.trunk_changes import refusal
from trunkpulse.adapters.http.api.trunks import TrunkId
from trunkpulse.adapters.http.api.views import keepalive_out
from trunkpulse.config.json_documents import DocumentRefused, camel_case, in_words_of_json
from trunkpulse.config.keepalive_documents import KeepaliveOverrides, overridden_keepalive
from trunkpulse.events.envelope import decode
from trunkpulse.health.recorded_past import Record, with_past
from trunkpulse.health.replay import (
    Change,
    Observed,
    Replaying,
    ReplayRefused,
    TrunkChange,
    replay,
    roll_up_changes,
)
from trunkpulse.health.replay_words import Past, in_words
from trunkpulse.model import Reason, StateChange, TargetState, TrunkState
from trunkpulse.probing.attempt import Attempt
from trunkpulse.probing.doubts import is_marked
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.recorder import TrunkRecord

__all__ = ["observed_of", "router"]

router = APIRouter(route_class=AdmittedRoute, prefix="/api/v2/telephony/trunks", tags=["trunks"])

MOST_CHANGES: Final = 100
"""Of those that are recorded; older ones are left out."""
_ADMINISTRATIVE: Final = frozenset(
    {
        Reason.ADMIN_DISABLED,
        Reason.ADMIN_ENABLED,
        Reason.LICENSE_ISSUE,
        Reason.LICENSE_RESTORED,
    }
)
"""What was seen before one of these was forgotten then."""
_FROM_CHANGES: Final = (
    "Before exactFrom no attempts are remembered, only the recorded changes: failures that no "
    "change came of are missing there, and the settings in force now are taken for those of then."
)
_BEGAN: Final = {TrunkState.AVAILABLE: TargetState.AVAILABLE, TrunkState.DOWN: TargetState.DOWN}

Overrides = Annotated[
    dict[str, object],
    Body(description="What is to be other than it is, as a change of the trunk would say it."),
    Field(max_length=64),
    WithJsonSchema(
        document_schema(
            KeepaliveOverrides,
            required=True,
            example={"keepalive": {"maxFailedAttempts": 5, "healthyResponses": ["2xx", "404"]}},
        )
    ),
]


class RecordedChangeOut(Out):
    """A change that really happened."""

    at: int = Moment
    previous_state: TrunkState
    state: TrunkState
    reason_code: Reason


class ReplayedChangeOut(Out):
    """A change of the trunk that a replay came to."""

    at: int = Moment
    previous_state: TrunkState
    state: TrunkState


class ReplayedTargetChangeOut(Out):
    """A change of a target that a replay came to."""

    at: int = Moment
    previous_state: TargetState
    state: TargetState


class ReplayedTargetOut(Out):
    """One target."""

    uri: str
    address: str | None = Field(description='As "udp:192.0.2.1:5060"; null while unresolved.')
    since: int | None = Field(description="When what is on record of it begins, in milliseconds.")
    present: list[ReplayedTargetChangeOut] = Field(description="By the settings in force.")
    replayed: list[ReplayedTargetChangeOut] = Field(description="By the others.")


class ReplayOut(Out):
    """What would have happened, beside what did."""

    since: int = Field(description="When the record begins, in milliseconds.")
    until: int = Moment
    exact_from: int | None = Field(
        description="Since when attempts are remembered, of every target; null: of one none are. "
        "Before that only recorded changes are known."
    )
    summary: str = Field(description="One sentence for a person.")
    estimate: bool = Field(
        description="True if other intervals would have made attempts at other moments."
    )
    notes: list[str] = Field(description="What to bear in mind, a sentence each.")
    changed: list[str] = Field(description="The members of keepalive that differ.")
    keepalive: KeepaliveOut = Field(description="The settings that were replayed.")
    recorded: list[RecordedChangeOut] = Field(description="What really happened since.")
    present: list[ReplayedChangeOut] = Field(
        description="What the settings in force make of the same record."
    )
    replayed: list[ReplayedChangeOut] = Field(description="What the others make of it.")
    targets: list[ReplayedTargetOut]


@router.post(
    "/{trunk_id}/replay", dependencies=[requires(Permission.TRUNK_VIEW, within_limits=True)]
)
async def replay_trunk(
    context: Context, reach: InReach, trunk_id: TrunkId, overrides: Overrides
) -> ReplayOut:
    """Judge the recorded attempts by other keepalive settings; nothing is changed by it."""
    record = reach.record(trunk_id)
    real = record.trunk.keepalive
    if not real.enabled:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"Keepalives are switched off for trunk {trunk_id}, so there is nothing to replay.",
        )
    try:
        other = overridden_keepalive(record.trunk, overrides)
    except DocumentRefused as refused:
        raise refusal(refused) from None
    changes = await _changes(context, reach, trunk_id)
    targets = record.targets
    records = [_record(record, each, changes) for each in targets]
    begins = [each.runs[0].first_at for each in records if each.runs]
    if not begins:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"No attempt at trunk {trunk_id} is on record yet; ask again once it has been probed.",
        )
    try:
        replaying = Replaying.of(real, other, (run for each in records for run in each.runs))
    except ReplayRefused as refused:
        raise invalid(
            f"body.keepalive.{camel_case(refused.key)}", in_words_of_json(str(refused))
        ) from None
    control = Replaying.of(real, real, ())
    courses: list[tuple[list[Change], list[Change]]] = []
    for each in records:
        courses.append((_replayed(each, control), _replayed(each, replaying)))
        await context.turns.give_way()
    needed = record.trunk.min_available_targets
    present, then = (
        Past(
            *roll_up_changes(
                [(each.began, course[side]) for each, course in zip(records, courses, strict=True)],
                min_available=needed,
            )
        )
        for side in (0, 1)
    )
    since, now_ms = min(begins), context.now_ms()
    happened = [each for each in changes if each.at_ms >= int(since * 1000)]
    exact = [each.exact_from for each in records]
    known = [each for each in exact if each is not None]
    exact_from = max(known) if len(known) == len(exact) else None
    notes = [in_words_of_json(note) for note in replaying.notes]
    if exact_from is None or since < min(known):
        notes.append(_FROM_CHANGES)
    if [each.state for each in happened] != [each.state for each in present.changes]:
        notes.append(
            f"Of this time {_changes_said(len(happened))} recorded, while the settings in force "
            f"make {len(present.changes)} of what is remembered; the record is not whole."
        )
    return ReplayOut(
        since=int(since * 1000),
        until=now_ms,
        exact_from=None if exact_from is None else int(exact_from * 1000),
        summary=in_words(record.trunk.name, present, then, since, now_ms / 1000),
        estimate=replaying.thins,
        notes=notes,
        changed=_differing(keepalive_out(real), keepalive_out(other)),
        keepalive=keepalive_out(other),
        recorded=[
            RecordedChangeOut(
                at=each.at_ms,
                previous_state=each.previous_state,
                state=each.state,
                reason_code=each.reason,
            )
            for each in happened
        ],
        present=_trunk_changes_out(present.changes),
        replayed=_trunk_changes_out(then.changes),
        targets=[
            ReplayedTargetOut(
                uri=target.uri,
                address=None if target.place is None else str(target.place),
                since=int(each.runs[0].first_at * 1000) if each.runs else None,
                present=_target_changes_out(course[0]),
                replayed=_target_changes_out(course[1]),
            )
            for target, each, course in zip(targets, records, courses, strict=True)
        ],
    )


async def _changes(context: ApiContext, reach: Reach, trunk_id: str) -> list[StateChange]:
    """The trunk's last changes since it was put in service, oldest first."""
    search = search_of_trunk(context, reach, trunk_id)
    found = await search.page(None, MOST_CHANGES, newest_first=True)
    changes: list[StateChange] = []
    for event in found.events:
        change = decode(event.body)
        if change.reason in _ADMINISTRATIVE:
            break
        changes.append(change)
        await context.turns.give_way()
    return changes[::-1]


def _record(record: TrunkRecord, target: ProbeTarget, changes: Sequence[StateChange]) -> Record:
    # A state that was taken over from an earlier life, and has not changed since.
    otherwise = TargetState.UNKNOWN if changes else _BEGAN.get(record.state, TargetState.UNKNOWN)
    return with_past(
        [observed_of(run) for run in target.runs()],
        changes,
        target.uri,
        None if target.place is None else str(target.place),
        policy=record.trunk.keepalive,
        otherwise=otherwise,
    )


def observed_of(run: Attempt) -> Observed:
    """A run as a replay takes it."""
    return Observed(
        run.at if run.first_at is None else run.first_at,
        run.at,
        run.times,
        run.code,
        run.failure,
        run.rtt_seconds,
        0.0 if run.quiet_until is None else max(0.0, run.quiet_until - run.at),
        counts=not is_marked(run.detail),
    )


def _replayed(record: Record, replaying: Replaying) -> list[Change]:
    changes, _ = replay(record.runs, record.began, replaying)
    return changes


def _differing(now: KeepaliveOut, then: KeepaliveOut) -> list[str]:
    return [
        camel_case(name)
        for name in KeepaliveOut.model_fields
        if getattr(now, name) != getattr(then, name)
    ]


def _changes_said(count: int) -> str:
    return "1 change is" if count == 1 else f"{count} changes are"


def _trunk_changes_out(changes: Iterable[TrunkChange]) -> list[ReplayedChangeOut]:
    return [
        ReplayedChangeOut(at=int(each.at * 1000), previous_state=each.before, state=each.state)
        for each in changes
    ]


def _target_changes_out(changes: Iterable[Change]) -> list[ReplayedTargetChangeOut]:
    return [
        ReplayedTargetChangeOut(
            at=int(each.at * 1000), previous_state=each.before, state=each.state
        )
        for each in changes
    ]
