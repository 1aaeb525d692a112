"""How this instance is: ``/healthz``, ``/readyz``, ``/metrics``, ``/api/v2/instances``."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from trunkpulse.access import Permission
from trunkpulse.adapters.http.api.admission import AdmittedRoute, public, requires
from trunkpulse.adapters.http.api.context import Context
from trunkpulse.adapters.http.api.licence import licence_remarks
from trunkpulse.adapters.http.api.models import Entities, Out
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.adapters.http.api.scraping import may_scrape
from trunkpulse.adapters.metrics import CONTENT_TYPE
from trunkpulse.model import IsolationRule, ProberState

__all__ = ["router"]

router = APIRouter(route_class=AdmittedRoute, tags=["instance"])


class StatusOut(Out):
    """One word on how this instance is."""

    status: str


class ReadyOut(StatusOut):
    """This instance may be given traffic."""

    remarks: list[str] = Field(
        description="What is wrong all the same, one sentence each: drops, caps that delay probes, "
        "what the licence does not cover, switches that cannot be told."
    )
    withheld: list[str] = Field(
        description="Ids of event streams that nothing can be delivered to as this instance was "
        "started; each says why in its own document. What they are told waits."
    )


class InstanceOut(Out):
    """A process of trunkpulse."""

    instance_id: str
    region: str
    version: str
    started_at: int = Field(description="Milliseconds since the epoch.")
    ready: bool
    prober_state: ProberState = Field(
        description="ISOLATED while the prober suspects itself and holds the states of trunks."
    )
    isolated_since: int | None = Field(description="Milliseconds since the epoch.")
    isolated_by: IsolationRule | None = Field(description="What the suspicion rests on.")
    trunks: int
    targets: int


@router.head("/healthz", dependencies=[public()], include_in_schema=False)
@router.get("/healthz", dependencies=[public()])
async def healthz() -> StatusOut:
    """The process is alive and its event loop turns."""
    return StatusOut(status="alive")


@router.head("/readyz", dependencies=[public()], include_in_schema=False)
@router.get("/readyz", dependencies=[public()])
async def readyz(context: Context) -> ReadyOut:
    """This instance may be given traffic; 503 says why not."""
    problems = list(context.readiness_problems())
    if problems:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "This instance is not ready; its problems say why.",
            members={"problems": problems},
        )
    return ReadyOut(
        status="ready",
        remarks=[
            *context.roster.watchdog.remarks(),
            *licence_remarks(context.licensing),
            *context.switches.remarks(),
        ],
        withheld=sorted(context.subscriptions.withheld),
    )


@router.get(
    "/metrics",
    dependencies=[public(), Depends(may_scrape)],
    response_class=Response,
    responses={200: {"description": "Prometheus text format.", "content": {"text/plain": {}}}},
)
async def metrics(context: Context) -> Response:
    """Everything that is counted, for Prometheus."""
    text = await context.metrics.render(context.turns)
    return Response(text, headers={"content-type": CONTENT_TYPE})


@router.get("/api/v2/instances", dependencies=[requires(Permission.TRUNK_VIEW)])
async def list_instances(context: Context) -> Entities[InstanceOut]:
    """The instances that share this configuration: this one."""
    evidence = context.pipeline.doubts.evidence
    instance = InstanceOut(
        instance_id=context.instance_id,
        region=context.region,
        version=context.version,
        started_at=context.started_ms,
        ready=not context.readiness_problems(),
        prober_state=ProberState.ISOLATED if evidence else ProberState.CONNECTED,
        isolated_since=None if evidence is None else evidence.since_ms,
        isolated_by=None if evidence is None else evidence.rule,
        trunks=len(context.roster.records()),
        targets=len(context.roster.prober),
    )
    return Entities(entities=[instance], next_cursor=None)
