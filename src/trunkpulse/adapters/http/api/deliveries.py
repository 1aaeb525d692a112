"""``/api/v2/events/streams/{id}/…``: what became of each delivery, and how to make it again."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from trunkpulse.access import Permission
from trunkpulse.access.licence import Entitlement
from trunkpulse.adapters.http.api.admission import AdmittedRoute, requires
from trunkpulse.adapters.http.api.auditing import note_details
from trunkpulse.adapters.http.api.context import ApiContext, Context, Streams
from trunkpulse.adapters.http.api.idempotency import once
from trunkpulse.adapters.http.api.licence import refuse_unlicensed
from trunkpulse.adapters.http.api.models import Entities, Out
from trunkpulse.adapters.http.api.paging import (
    LARGEST_POSITION,
    Cursor,
    Limit,
    position_of,
)
from trunkpulse.adapters.http.api.problems import Problem, invalid
from trunkpulse.events.trial import TRIAL_SECONDS, try_destination
from trunkpulse.model import EventStream
from trunkpulse.ports import (
    AlertKind,
    DeliveryOutcome,
    DeliveryResult,
    DeliveryState,
    DestinationInvalid,
    RecordedDelivery,
    ReplayChoice,
)

__all__ = ["router"]

router = APIRouter(
    route_class=AdmittedRoute, prefix="/api/v2/events/streams/{stream_id}", tags=["events"]
)

StreamId = Annotated[str, Path(description="A stream's id.")]
DeliveryId = Annotated[int, Path(ge=1, le=LARGEST_POSITION, description="A delivery's id.")]
Moment = Annotated[int, Field(ge=0, le=2**53 - 1)]


class TrialOut(Out):
    """What a destination said to a test event."""

    event_id: str
    outcome: DeliveryOutcome
    detail: str = Field(description="One phrase for a person.")
    duration_ms: int
    request: str = Field(description="What was sent, without the event, secrets and signatures.")
    response: str = Field(description="What came back, cut.")


class DeliveryLineOut(Out):
    """One event on its way to one stream, or at its end; or what is told of an alert."""

    id: int
    alert: AlertKind | None = Field(
        description="null for an event. Else this is not one event but what was told of an alert, "
        "which may stand for many: its trigger, one update or its end (resolve). eventId, position "
        "and recorded are those of the last event that had gone into it when it was first told."
    )
    event_id: str
    entity_id: str = Field(
        description="Of the event: a trunk's id, prober:… or stream:…; of an alert: alert: and "
        "its id, by which the destination knows it from trigger to resolve."
    )
    position: int = Field(description="Of the event, in the log.")
    state: DeliveryState
    attempts: int
    recorded: int = Field(description="When the event was; milliseconds since the epoch.")
    due: int | None = Field(
        description="When it is sent next; null while it waits for another, and with an alert, "
        "which is parked until it is taken and told again as things are by then."
    )
    settled: int | None = Field(description="When it was delivered, given up or last parked.")
    replayed: int | None = Field(description="When somebody asked for it; null: nobody had to.")
    detail: str = Field(description="What its destination said last.")


class AttemptLineOut(Out):
    """What was said on one attempt."""

    attempt: int
    at: int = Field(description="When it ended; milliseconds since the epoch.")
    duration_ms: int
    result: DeliveryResult
    request: str
    response: str


class DeliveryDetailOut(DeliveryLineOut):
    """A delivery with its attempts, newest first; of each stream the last 10,000 are kept."""

    said: list[AttemptLineOut]


class ReplayIn(BaseModel):
    """Which events to deliver again: those for which all that is given holds."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        json_schema_extra={"examples": [{"trunkId": "carrier-a", "from": 1678902400000}]},
    )

    event_id: str | None = Field(
        default=None, max_length=256, description="This one, also if the stream never had it."
    )
    trunk_id: str | None = Field(default=None, max_length=256)
    from_: Moment | None = Field(
        default=None, alias="from", description="Recorded at this moment or later."
    )
    to: Moment | None = Field(default=None, description="Recorded before this moment.")
    dead_only: bool = Field(default=False, description="Only what has been given up.")
    after: str | None = Field(
        default=None, max_length=32, description="nextCursor of the call before."
    )


class ReplayOut(Out):
    """What a replay has set off."""

    replayed: int = Field(
        description="Events that are taken up again; newer events of their trunks wait."
    )
    hurried: int = Field(description="Parked deliveries that are now sent at once.")
    next_cursor: str | None = Field(description="Where to go on; null if that was all.")
    tells_alerts: bool = Field(
        description="True: events of trunks go into alerts again, and what is told of those goes "
        "by how the trunks are now; nothing is sent of what is over."
    )


@router.post("/test", dependencies=[requires(Permission.STREAM_EDIT), once()])
async def test_stream(
    request: Request, context: Context, streams: Streams, stream_id: StreamId
) -> TrialOut:
    """Send a test event straight to the destination, and say what it answered.

    It is a telephony.trunks.stateChange of the entity trunkpulse-test with metadata.test = true,
    and is sent whatever the stream's filters are, also if the stream is paused or disabled. It is
    not in the log of events.
    """
    stream = _known(streams.get(stream_id), stream_id)
    refuse_unlicensed(context.licensing, Entitlement.STREAMS)
    if problem := context.subscriptions.withheld.get(stream_id):
        raise Problem(HTTPStatus.CONFLICT, f"Event stream {stream_id} is withheld: {problem}")
    if stream_id in context.trials:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"A test event is on its way to {stream_id} already; it has {TRIAL_SECONDS:g} seconds.",
        )
    context.trials.add(stream_id)
    try:
        trial = await try_destination(
            stream,
            context.sink_for,
            clock=context.clock,
            rng=context.rng,
            instance_id=context.instance_id,
            region=context.region,
        )
    except DestinationInvalid as problem:
        raise Problem(HTTPStatus.CONFLICT, str(problem)) from None
    finally:
        context.trials.discard(stream_id)
    answer = trial.answer
    note_details(request, eventId=trial.event_id, outcome=answer.outcome.value)
    return TrialOut(
        event_id=trial.event_id,
        outcome=answer.outcome,
        detail=answer.detail,
        duration_ms=trial.duration_ms,
        request=answer.request,
        response=answer.response,
    )


@router.get("/deliveries", dependencies=[requires(Permission.STREAM_READ)])
async def list_deliveries(
    context: Context,
    streams: Streams,
    stream_id: StreamId,
    *,
    state: Annotated[
        DeliveryState | None, Query(description="parked and dead are those in trouble.")
    ] = None,
    trunk_id: Annotated[str | None, Query(alias="trunkId", max_length=256)] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Entities[DeliveryLineOut]:
    """The deliveries to a stream, newest first; the dead ones are its dead letters.

    Of a stream that tells alerts there are two kinds: events, which are delivered once they are
    taken into an alert, and what was told of alerts (alert is not null).
    """
    _known(streams.get(stream_id), stream_id)
    before = None if cursor is None else position_of(cursor, field="query.cursor")
    found = await context.delivery_log.deliveries(
        stream_id, state=state, trunk_id=trunk_id, before=before, limit=limit + 1
    )
    page = found[:limit]
    return Entities(
        entities=[DeliveryLineOut.model_validate(_line(each)) for each in page],
        next_cursor=str(page[-1].id) if len(found) > limit else None,
    )


@router.get("/deliveries/{delivery_id}", dependencies=[requires(Permission.STREAM_READ)])
async def get_delivery(
    context: Context, streams: Streams, stream_id: StreamId, delivery_id: DeliveryId
) -> DeliveryDetailOut:
    """One delivery, and what was said on each attempt."""
    _known(streams.get(stream_id), stream_id)
    delivery = await _delivery(context, stream_id, delivery_id)
    said = [
        AttemptLineOut(
            attempt=each.attempt,
            at=each.at_ms,
            duration_ms=each.duration_ms,
            result=each.result,
            request=each.request,
            response=each.response,
        )
        for each in await context.delivery_log.attempts(delivery_id)
    ]
    return DeliveryDetailOut.model_validate({**_line(delivery), "said": said})


@router.post(
    "/deliveries/{delivery_id}/retry", dependencies=[requires(Permission.STREAM_EDIT), once()]
)
async def retry_delivery(
    context: Context, streams: Streams, stream_id: StreamId, delivery_id: DeliveryId
) -> DeliveryLineOut:
    """Send a dead letter, or a parked delivery, again at once; it is then retried as it was.

    409 for what is told of an alert: its stream tells it again by itself.
    """
    _known(streams.get(stream_id), stream_id)
    if not await context.delivery_log.retry(stream_id, delivery_id):
        delivery = await _delivery(context, stream_id, delivery_id)
        if delivery.alert is AlertKind.RESOLVE and delivery.state is DeliveryState.DEAD:
            hint = (
                "it tells the end of an alert, and nothing is told of one after its end was "
                "refused; if it is still open at the destination, close it there"
            )
        elif delivery.alert is not None:
            hint = (
                "it tells of an alert, and what is told of one goes by how its trunks are: what is "
                "not taken is told again by itself, and what is refused with the next news"
            )
        elif delivery.state is DeliveryState.DELIVERED:
            hint = "it has been delivered; replay its event to have it delivered again"
        else:
            hint = "it is on its way already"
        raise Problem(
            HTTPStatus.CONFLICT, f"Delivery {delivery_id} is not sent again, because {hint}."
        )
    context.wake([stream_id])
    due = await _delivery(context, stream_id, delivery_id)
    return DeliveryLineOut.model_validate(_line(due))


@router.post("/replay", dependencies=[requires(Permission.STREAM_EDIT), once()])
async def replay(
    request: Request, context: Context, streams: Streams, stream_id: StreamId, asked: ReplayIn
) -> ReplayOut:
    """Deliver recorded events again, with the ids that they had, in order per trunk.

    Those that the stream was told of before; one that is named by its id also if it was not. What
    is still pending is left alone, and what is parked is sent at once. A call replays 10,000 events
    at most: with nextCursor as after it goes on. What was told of an alert is no event, and is not
    replayed; where tellsAlerts is true, events of trunks open or close an alert only if the trunks
    are so now.
    """
    stream = _known(streams.get(stream_id), stream_id)
    choice = ReplayChoice(
        event_id=asked.event_id,
        trunk_id=asked.trunk_id,
        from_ms=asked.from_,
        to_ms=asked.to,
        dead_only=asked.dead_only,
    )
    if choice == ReplayChoice():
        raise invalid(
            "body",
            "The body says nothing of which events; give eventId, trunkId, from, to or deadOnly.",
        )
    if asked.from_ is not None and asked.to is not None and asked.from_ >= asked.to:
        raise invalid("body.from", "body.from must be earlier than body.to.")
    after = 0 if asked.after is None else position_of(asked.after, field="body.after")
    done = await context.delivery_log.replay(
        stream_id, choice, now_ms=context.now_ms(), after=after
    )
    if choice.event_id is not None and not (done.again or done.hurried or done.reached > after):
        raise Problem(
            HTTPStatus.NOT_FOUND, f"There is no event with the id {choice.event_id} to replay."
        )
    note_details(
        request,
        asked=asked.model_dump(mode="json", by_alias=True, exclude_none=True),
        replayed=done.again,
        hurried=done.hurried,
    )
    context.wake([stream_id])
    return ReplayOut(
        replayed=done.again,
        hurried=done.hurried,
        next_cursor=str(done.reached) if done.more else None,
        tells_alerts=stream.alerts is not None,
    )


def _known(stream: EventStream | None, stream_id: str) -> EventStream:
    if stream is None:
        raise Problem(
            HTTPStatus.NOT_FOUND, f"There is no event stream with the id {stream_id[:256]}."
        )
    return stream


async def _delivery(context: ApiContext, stream_id: str, delivery_id: int) -> RecordedDelivery:
    found = await context.delivery_log.delivery(stream_id, delivery_id)
    if found is None:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"Stream {stream_id} has no delivery {delivery_id}; those of pruned events are gone.",
        )
    return found


def _line(each: RecordedDelivery) -> dict[str, object]:
    return {
        "id": each.id,
        "alert": each.alert,
        "event_id": each.event_id,
        "entity_id": each.trunk_id,
        "position": each.position,
        "state": each.state,
        "attempts": each.attempts,
        "recorded": each.recorded_ms,
        "due": each.due_ms,
        "settled": each.settled_ms,
        "replayed": each.replayed_ms,
        "detail": each.detail,
    }
