"""What must hold of the event log and of what receivers got, whatever happened."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from event_schemas import check_event
from simulation.world import World
from trunkpulse.config.settings import Config
from trunkpulse.events.envelope import decode
from trunkpulse.events.prober_envelope import decode_prober
from trunkpulse.model import ProberEvent, Reason, StateChange, TrunkState
from trunkpulse.node import Node

PROBED = {Reason.KEEPALIVE_FAILURE, Reason.NETWORK_ERROR, Reason.KEEPALIVE_RESTORED}


async def recorded_changes(
    world: World, *, reconfigured: bool = False
) -> dict[str, list[StateChange]]:
    """Every recorded change by trunk, in the order of the log, which is checked on the way.

    ``reconfigured``: trunks may have been removed meanwhile; they come back as UNKNOWN.
    """
    changes: defaultdict[str, list[StateChange]] = defaultdict(list)
    ids: set[str] = set()
    position = 0
    while events := await world.store.read(after=position, limit=1000):
        for event in events:
            assert event.position > position
            assert event.event_id not in ids
            position = event.position
            ids.add(event.event_id)
            check_event(event.body)
            if event.trunk_id.startswith("prober:"):
                continue
            change = decode(event.body)
            assert (change.event_id, change.trunk_id) == (event.event_id, event.trunk_id)
            changes[change.trunk_id].append(change)
    for of_trunk in changes.values():
        _check_history(of_trunk, reconfigured=reconfigured)
    return changes


async def recorded_prober_events(world: World) -> list[ProberEvent]:
    """Every isolation and restoration, in the order of the log."""
    events = await world.store.read(limit=1000, trunk_id="prober:edge-1")
    decoded = [decode_prober(event.body) for event in events]
    assert [each.sequence for each in decoded] == list(range(1, len(decoded) + 1))
    for before, after in pairwise(decoded):
        assert after.previous_state is before.state
    return decoded


def _check_history(changes: list[StateChange], *, reconfigured: bool) -> None:
    assert [change.sequence for change in changes] == list(range(1, len(changes) + 1))
    assert changes[0].previous_state is TrunkState.UNKNOWN
    for before, after in pairwise(changes):
        if not (reconfigured and after.previous_state is TrunkState.UNKNOWN):
            assert after.previous_state is before.state
        assert after.at_ms >= before.at_ms
    for change in changes:
        if change.state is change.previous_state:  # an event without a change
            assert change.reason is Reason.ADMIN_DISABLED


async def check_state_is_last_event(world: World, node: Node) -> None:
    """No change without an event: board and store say what the log says, and nothing else."""
    changes = await recorded_changes(world, reconfigured=True)
    stored = await world.store.load()
    for trunk_id in node.board:
        status = node.board.status(trunk_id)
        if trunk_id not in changes or status.reason is None:
            assert status.state is TrunkState.UNKNOWN  # new, or back after it was removed
            continue
        last = changes[trunk_id][-1]
        assert (status.state, status.reason, status.since_ms) == (
            last.state,
            last.reason,
            last.at_ms,
        )
        assert stored[trunk_id].state is last.state
        assert stored[trunk_id].sequence == last.sequence


async def check_verdicts_are_justified(world: World, config: Config) -> None:
    """A verdict of the probes rests on what really arrived at the sockets."""
    single = {trunk.id: trunk for trunk in config.trunks if len(trunk.targets) == 1}
    recorded = await recorded_changes(world, reconfigured=True)
    for trunk_id in recorded.keys() & single.keys():
        policy = single[trunk_id].keepalive
        host = single[trunk_id].targets[0].removeprefix("sip:")
        arrivals = world.network.far_end(address_of(host)).healthy_arrivals_ms
        for change in recorded[trunk_id]:
            if change.last_success_ms is not None:
                assert change.last_success_ms in arrivals
            if change.reason not in PROBED:
                continue
            if change.state is TrunkState.DOWN:
                assert change.failed_attempts == policy.max_failed_attempts
                shortest = policy.confirm_interval_seconds * (policy.max_failed_attempts - 1)
                if change.last_success_ms is not None:
                    assert change.at_ms - change.last_success_ms >= shortest * 1000 - 1
            else:
                assert change.failed_attempts == 0
                assert change.last_success_ms == change.at_ms
                needed = policy.min_successful_attempts
                assert len([at for at in arrivals if at <= change.at_ms]) >= needed


def address_of(host: str) -> str:
    """The host in digits; the names of the simulated world carry their last number."""
    if not host.endswith(".example"):
        return host
    return "192.0.2." + host.removeprefix("t").removesuffix(".example")


def check_everything_is_probed(node: Node) -> None:
    """The prober never silently stops: whatever is in service has an attempt ahead or under way."""
    prober = node.roster.prober
    for record in node.roster.records().values():
        for target in record.targets:
            going = prober.is_under_way(target) or prober.next_attempt(target) is not None
            active = record.trunk.enabled and record.admin_enabled
            assert going is (active and record.trunk.keepalive.enabled), target.uri


async def check_receivers(world: World) -> None:
    """The audit stream has every event; order is kept per trunk; repeats carry the same id.

    A delivery that was parked lets newer ones pass: it is exempt from the order.
    """
    changes = await recorded_changes(world, reconfigured=True)
    for stream_id, deliveries in world.receivers.accepted.items():
        first_seen: defaultdict[str, list[int]] = defaultdict(list)
        bodies: dict[str, str] = {}
        for delivery in deliveries:
            if delivery.event_id not in bodies and not delivery.times_parked:
                first_seen[delivery.trunk_id].append(decode(delivery.body).sequence)
            assert bodies.setdefault(delivery.event_id, delivery.body) == delivery.body
        for trunk_id, sequences in first_seen.items():
            assert sequences == sorted(sequences), (stream_id, trunk_id)
        if stream_id == "audit":
            for trunk_id, of_trunk in changes.items():
                assert set(first_seen[trunk_id]) >= {
                    change.sequence
                    for change in of_trunk
                    if (stream_id, change.event_id) not in world.store.parked
                }
        if stream_id == "noc":
            _check_recoveries_follow(world, stream_id, changes)


def _check_recoveries_follow(
    world: World, stream_id: str, changes: dict[str, list[StateChange]]
) -> None:
    told = {delivery.event_id for delivery in world.receivers.accepted[stream_id]}
    for of_trunk in changes.values():
        in_trouble = False
        for change in of_trunk:
            if change.event_id in told or (stream_id, change.event_id) in world.store.parked:
                in_trouble = change.state in (TrunkState.DOWN, TrunkState.DEGRADED)
            elif change.state is TrunkState.AVAILABLE:
                assert not in_trouble, "a recovery was withheld from who knew of the failure"
