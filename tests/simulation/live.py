"""Calls that a node is shown, and what the tests of them look at."""

from __future__ import annotations

from dataclasses import replace

from simulation.setups import config
from simulation.world import World
from trunkpulse.calls.hep import Mirrored, frame
from trunkpulse.config.settings import Config, HepSettings
from trunkpulse.model import KeepalivePolicy, Trunk, TrunkState
from trunkpulse.node import Node
from trunkpulse.probing.target import ProbeTarget
from unit.calls.calling import US, message

POLICY = KeepalivePolicy()
INTERVAL = POLICY.interval_seconds
HEP = HepSettings(listen=(("127.0.0.1", 9060),))
HOST = "192.0.2.1"
FAR = (HOST, 5060)
JITTER = 1 + POLICY.jitter


def heard(*trunks: Trunk, hep: HepSettings = HEP) -> Config:
    return replace(config(*trunks), hep=hep)


class Mirror:
    """What a switch shows a node of its calls to a far side."""

    def __init__(self, world: World, node: Node, far: tuple[str, int] = FAR) -> None:
        self._world = world
        self._node = node
        self._far = far

    def we(self, start: str, **headers: str) -> None:
        self._show(US, self._far, start, headers)

    def they(self, start: str, **headers: str) -> None:
        self._show(self._far, US, start, headers)

    def set_up(self, call_id: str) -> None:
        self.we("INVITE", call_id=call_id)
        self.they("200", call_id=call_id, to_tag="t")

    def comes_in(self, call_id: str) -> None:
        self.they("INVITE", call_id=call_id, from_tag="x")
        self.we("200", call_id=call_id, from_tag="x", to_tag="t")
        self.they("ACK", call_id=call_id, from_tag="x", to_tag="t")

    def _show(
        self, source: tuple[str, int], to: tuple[str, int], start: str, headers: dict[str, str]
    ) -> None:
        line = f"SIP/2.0 {start} X" if start.isdecimal() else f"{start} sip:b@x SIP/2.0"
        if not start.isdecimal():
            headers.setdefault("cseq", f"1 {start}")
        payload = message(line, **headers)
        data = frame(Mirrored(payload, source, to))
        self._node.live_calls.intake.take(data, self._world.clock.monotonic())


def only_target(node: Node, trunk_id: str = "trunk-1") -> ProbeTarget:
    (target,) = node.roster.record(trunk_id).targets
    return target


def state_of(node: Node, trunk_id: str = "trunk-1") -> TrunkState:
    return node.board.status(trunk_id).state
