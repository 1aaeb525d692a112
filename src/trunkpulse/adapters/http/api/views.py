"""From a trunk as it runs to what the API says about it."""

from __future__ import annotations

import math

from trunkpulse.adapters.http.api.context import ApiContext
from trunkpulse.adapters.http.api.models import (
    AttemptOut,
    CertificateOut,
    ExplainOut,
    ExplainTargetOut,
    KeepaliveOut,
    NumbersOut,
    ObserverOut,
    ProbeSettingsOut,
    PublicAddressOut,
    TargetOut,
    TlsOut,
    TrunkOut,
    UnderMaintenanceOut,
)
from trunkpulse.health.explain import TargetView, explain
from trunkpulse.model import KeepalivePolicy, ProbeIdentity, Trunk
from trunkpulse.ports import Address, Certificate
from trunkpulse.probing.attempt import Attempt
from trunkpulse.probing.locating import Watch
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.recorder import TrunkRecord
from trunkpulse.sip.grammar import host_and_port

__all__ = ["explain_out", "is_enabled", "keepalive_out", "milliseconds", "trunk_out"]


def is_enabled(record: TrunkRecord) -> bool:
    """True if neither the file nor an administrator disables the trunk."""
    return record.trunk.enabled and record.admin_enabled


def trunk_out(context: ApiContext, record: TrunkRecord) -> TrunkOut:
    """The trunk with its targets at this moment."""
    trunk = record.trunk
    moments = [_last_heard_ms(context, target) for target in record.targets]
    return TrunkOut(
        id=trunk.id,
        name=trunk.name,
        state=record.state,
        reason_code=record.reason,
        since=record.since_ms,
        enabled=is_enabled(record),
        direction=trunk.direction,
        region=trunk.region or context.region,
        carrier=trunk.carrier,
        profile=trunk.profile,
        targets=[_target_out(context, target) for target in record.targets],
        last_heard=max((moment for moment in moments if moment is not None), default=None),
        min_available_targets=trunk.min_available_targets,
        keepalive=keepalive_out(trunk.keepalive),
        probe=_probe_out(trunk.identity),
        maintenance=_maintenance_out(context, trunk),
        managed_by=trunk.managed_by,
    )


def explain_out(context: ApiContext, record: TrunkRecord) -> ExplainOut:
    """Why the trunk is in its state."""
    in_service = is_enabled(record) and context.pipeline.licensed
    resting = not (in_service and record.trunk.keepalive.enabled)
    told = explain(
        record.trunk,
        record.status,
        [
            TargetView(
                evidence=target.evidence(),
                successes=target.successes,
                next_in_seconds=_next_in_seconds(context, target),
                resting=resting,
                last_heard_ms=_last_heard_ms(context, target),
                calls=context.live_calls.calls_up(target),
                proved_ms=_proved_ms(context, target),
                paused=not resting and context.roster.prober.pauses(target),
            )
            for target in record.targets
        ],
        admin_enabled=record.admin_enabled,
        now_ms=context.now_ms(),
        delayed=context.roster.watchdog.why_delayed(record.trunk.carrier),
        isolation=context.pipeline.doubts.evidence,
    )
    return ExplainOut(
        state=record.state,
        reason_code=record.reason,
        since=record.since_ms,
        summary=told.summary,
        rule=told.rule,
        targets=[_explain_target_out(context, target) for target in record.targets],
        next=told.next,
        observers=[
            ObserverOut(instance_id=context.instance_id, region=context.region, state=record.state)
        ],
        maintenance=_maintenance_out(context, record.trunk),
    )


def _maintenance_out(context: ApiContext, trunk: Trunk) -> UnderMaintenanceOut | None:
    region = trunk.region or context.region
    found = context.maintenance.of(trunk.id, trunk.carrier, region, context.now_ms())
    if found is None:
        return None
    window, until_ms = found
    return UnderMaintenanceOut(id=window.id, name=window.name, until=until_ms)


def _probe_out(identity: ProbeIdentity) -> ProbeSettingsOut:
    """How its OPTIONS is written and sent; what may be a secret is left out."""
    tls = identity.tls
    return ProbeSettingsOut(
        from_uri=identity.from_uri,
        to_uri=identity.to_uri,
        contact_uri=identity.contact_uri,
        request_uri=identity.request_uri,
        header_names=[name for name, _ in identity.headers],
        max_forwards=identity.max_forwards,
        outbound_proxy=identity.outbound_proxy,
        source=None if identity.source is None else host_and_port(*identity.source),
        enable_nat=identity.enable_nat,
        advertised_address=identity.advertised_address,
        username=None if identity.credentials is None else identity.credentials.username,
        has_password=identity.credentials is not None,
        tls=TlsOut(
            verify=tls.verify,
            ca_file=tls.ca_file,
            cert_file=tls.cert_file,
            key_file=tls.key_file,
            server_name=tls.server_name,
        ),
    )


def keepalive_out(policy: KeepalivePolicy) -> KeepaliveOut:
    """The settings, inherited ones included."""
    return KeepaliveOut(
        enabled=policy.enabled,
        interval_seconds=policy.interval_seconds,
        max_failed_attempts=policy.max_failed_attempts,
        min_successful_attempts=policy.min_successful_attempts,
        timeout_seconds=policy.timeout_seconds,
        confirm_interval_seconds=policy.confirm_interval_seconds,
        down_interval_seconds=policy.down_interval_seconds,
        jitter=policy.jitter,
        healthy_responses=list(policy.healthy_responses),
        pause_on_active_calls=policy.pause_on_active_calls,
    )


def _target_out(context: ApiContext, target: ProbeTarget) -> TargetOut:
    evidence = target.evidence()
    place = target.place
    trouble = context.roster.locator.trouble(Watch(target.owner, target.uri))
    sightings = context.roster.public.sightings(target)
    return TargetOut(
        uri=target.uri,
        state=evidence.state,
        address=None if place is None else _address_text(place.address),
        transport=None if place is None else place.protocol,
        priority=target.share.priority,
        weight=target.share.weight,
        rtt_ms=evidence.rtt_ms,
        last_code=evidence.code,
        failure=evidence.failure,
        detail=evidence.detail,
        failed_attempts=evidence.failed_attempts,
        last_successful_keepalive=evidence.last_success_ms,
        last_attempt=evidence.at_ms,
        maintenance_until=evidence.maintenance_until_ms,
        lookup_problem=None if trouble is None else trouble.problem,
        public_address=sightings[-1].public if sightings else None,
        public_addresses=[
            PublicAddressOut(address=each.public, since=int(each.since * 1000))
            for each in sightings
        ],
        certificate=_certificate_out(target.certificate),
        next_attempt_in_seconds=_next_in_seconds(context, target),
        last_heard=_last_heard_ms(context, target),
        numbers=_numbers_out(context, target),
    )


def _numbers_out(context: ApiContext, target: ProbeTarget) -> NumbersOut:
    numbers = context.roster.numbers.of(target.index)
    share = numbers.loss_share
    return NumbersOut(
        answers=numbers.answers,
        losses=numbers.losses,
        rtt_ms=milliseconds(numbers.rtt_seconds),
        smoothed_rtt_ms=milliseconds(numbers.smoothed_rtt_seconds),
        jitter_ms=milliseconds(numbers.jitter_seconds),
        loss_share=None if share is None else round(share, 4),
    )


def milliseconds(seconds: float | None) -> float | None:
    """A duration as the API writes it, to the microsecond."""
    return None if seconds is None else round(seconds * 1000, 3)


def _certificate_out(certificate: Certificate | None) -> CertificateOut | None:
    if certificate is None:
        return None
    return CertificateOut(
        subject=certificate.subject,
        issuer=certificate.issuer,
        names=list(certificate.names),
        not_before=certificate.not_before_ms,
        not_after=certificate.not_after_ms,
        protocol=certificate.protocol,
        cipher=certificate.cipher,
    )


def _next_in_seconds(context: ApiContext, target: ProbeTarget) -> float | None:
    moment = context.roster.prober.next_attempt(target)
    if moment is None:
        return None
    return round(max(0.0, moment - context.clock.monotonic()), 3)


def _last_heard_ms(context: ApiContext, target: ProbeTarget) -> int | None:
    """By the address alone: the carrier's own requests rarely leave from the port it answers on."""
    moment = None if target.address is None else context.last_heard.of(target.address[0])
    return None if moment is None else int(moment * 1000)


def _proved_ms(context: ApiContext, target: ProbeTarget) -> int | None:
    """When calls last proved it alive, on the clock of the wall."""
    proved_at = None if target.live is None else target.live.shown_at
    if proved_at is None or math.isinf(proved_at):
        return None
    return context.now_ms() + round((proved_at - context.clock.monotonic()) * 1000)


def _explain_target_out(context: ApiContext, target: ProbeTarget) -> ExplainTargetOut:
    place = target.place
    return ExplainTargetOut(
        uri=target.uri,
        address=None if place is None else _address_text(place.address),
        transport=None if place is None else place.protocol,
        state=target.state,
        last_heard=_last_heard_ms(context, target),
        numbers=_numbers_out(context, target),
        attempts=[_attempt_out(run) for run in target.runs()],
    )


def _attempt_out(run: Attempt) -> AttemptOut:
    return AttemptOut(
        since=int((run.at if run.first_at is None else run.first_at) * 1000),
        at=int(run.at * 1000),
        count=run.times,
        success=run.success,
        code=run.code,
        failure=run.failure,
        detail=run.detail,
        rtt_ms=None if run.rtt_seconds is None else round(run.rtt_seconds * 1000, 3),
    )


def _address_text(address: Address) -> str:
    return host_and_port(address[0], address[1])
