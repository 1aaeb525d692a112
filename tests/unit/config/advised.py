"""Small configurations to be advised on, and what any advice has to look like."""

from __future__ import annotations

from trunkpulse.config.advice import Advice
from trunkpulse.config.advice.codes import CODES
from trunkpulse.config.settings import Config, InstanceSettings
from trunkpulse.model import EventStream, KeepalivePolicy, Route, Trunk

POLICY = KeepalivePolicy()
FAR = ("sip:192.0.2.1:5060",)
FARTHER = ("sip:192.0.2.2:5060",)
NEAR = ("sip:127.0.0.1:5060", "sip:[::1]:5060", "sip:localhost")


def trunk(name: str, targets: tuple[str, ...] = FAR, policy: KeepalivePolicy = POLICY) -> Trunk:
    return Trunk(id=name, name=name, targets=targets, keepalive=policy)


def config(
    *trunks: Trunk, routes: tuple[Route, ...] = (), streams: tuple[EventStream, ...] = ()
) -> Config:
    return Config(
        instance=InstanceSettings(id="edge"),
        keepalive=POLICY,
        trunks=trunks,
        routes=routes,
        event_streams=streams,
    )


def codes(advice: list[Advice]) -> list[str]:
    for item in advice:
        assert item.code in CODES
        assert item.message == f"{item.why}; {item.fix}."
        assert item.message.isprintable()
        assert item.message.endswith(".")
        assert ". " not in item.message
        assert item.why
        assert item.fix
        assert item.where
    return [item.code for item in advice]
