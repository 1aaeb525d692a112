"""As whom far sides see us: the address outside of the NAT, learned from their answers.

A far side writes the source of a request into the Via of its answer (``received`` and ``rport``,
RFC 3581). Behind a NAT that is the public address, and a Contact that shows the private one leads
nowhere. For trunks with ``enable_nat`` the learned address goes into Contact, and each change of
it is kept: a NAT that changes its address breaks registrations and calls, and an operator wants to
know.
"""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import structlog

from trunkpulse.probing.sockets import ProbeSockets
from trunkpulse.probing.target import ProbeSettings, ProbeTarget
from trunkpulse.sip.errors import SipError
from trunkpulse.sip.grammar import host_and_port
from trunkpulse.sip.headers import Via
from trunkpulse.sip.message import parse_message

__all__ = ["PublicAddresses", "Sighting"]

log = structlog.get_logger(__name__)

REMEMBERED = 16


class Sighting(NamedTuple):
    """As whom a far side saw us from some moment on."""

    public: str
    """``host:port``, or the host alone where each connection has a port of its own."""
    since: float
    """Wall-clock seconds."""


class PublicAddresses:
    """See the module's opening."""

    def __init__(self, sockets: ProbeSockets) -> None:
        self._sockets = sockets
        self._seen: dict[ProbeTarget, deque[Sighting]] = {}
        self.changes = 0
        """How often a learned address gave way to another one."""

    def learn(self, target: ProbeTarget, data: bytes, now: float) -> None:
        """Take in the answer ``data``, which arrived at ``now`` (wall-clock seconds)."""
        public = _seen_as(data, with_port=not target.settings.reliable)
        if public is None or target.address is None:
            return
        seen = self._seen.setdefault(target, deque(maxlen=REMEMBERED))
        if not seen or seen[-1].public != public:
            if seen:
                self.changes += 1
                log.warning(
                    "nat.address_changed",
                    trunk=target.owner,
                    uri=target.uri,
                    public=public,
                    before=seen[-1].public,
                )
            else:
                log.info("nat.address_learned", trunk=target.owner, uri=target.uri, public=public)
            seen.append(Sighting(public, now))
        settings = self._sockets.seen_as(target.settings, target.address, public)
        if settings is not target.settings:
            target.adopt(settings)

    def known(self, target: ProbeTarget, settings: ProbeSettings) -> ProbeSettings:
        """``settings``, with what was learned before if they are to show it."""
        seen = self._seen.get(target)
        if not seen or target.address is None or not settings.learns_address:
            return settings
        return self._sockets.seen_as(settings, target.address, seen[-1].public)

    def sightings(self, target: ProbeTarget) -> Sequence[Sighting]:
        """As whom the target saw us, oldest first; the last one is in force."""
        return tuple(self._seen.get(target, ()))

    def forget(self, target: ProbeTarget) -> None:
        """The target is gone; safe to repeat."""
        self._seen.pop(target, None)


def _seen_as(data: bytes, *, with_port: bool) -> str | None:
    """``received`` and ``rport`` of an answer's Via; None if it does not say them (RFC 3581)."""
    try:
        via = Via.parse(parse_message(data).headers.members("Via")[0])
        host = ipaddress.ip_address(via.received or via.host)
        port = int(via.rport or 0)
    except (SipError, IndexError, ValueError):
        return None
    if not 0 < port < 65536:
        return None
    return host_and_port(str(host), port if with_port else None)
