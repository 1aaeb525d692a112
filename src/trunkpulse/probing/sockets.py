"""What a trunk's probes are sent over, and what they have in common.

Trunks without a source of their own share one UDP socket per address family; a source has a socket
of its own, so that the same endpoint probed from two sources has two states. Connections are shared
by the targets that are reached over the same transport, from the same source and, with TLS, with
the same settings and for the same domain. Trunks that are probed alike share one settings object:
that is most of what keeps a million targets small.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from weakref import WeakValueDictionary

from trunkpulse.model import KeepalivePolicy, ProbeIdentity, TransportProtocol, Trunk
from trunkpulse.ports import (
    Address,
    Certificate,
    MessageReceiver,
    MessageTransport,
    Obstacle,
    Server,
    TransportPlan,
)
from trunkpulse.probing.attempt import literal_server
from trunkpulse.probing.pacing import Pace, Paces
from trunkpulse.probing.target import ProbeSettings
from trunkpulse.sip.grammar import host_and_port, is_ipv4, split_sent_by
from trunkpulse.sip.request import SharedOptions
from trunkpulse.sip.uri import SipUri, plain_address

__all__ = [
    "COMMON_PLANS",
    "GONE",
    "AddressTowards",
    "OpenTransport",
    "ProbeSockets",
    "plans_of",
    "server_of",
    "way_to",
]

OpenTransport = Callable[[TransportPlan, MessageReceiver], MessageTransport]
"""Opens what a plan asks for; raises OSError with a sentence."""

AddressTowards = Callable[[Address], str | None]
"""The local address that packets to a destination leave from; None: there is no route to it."""

ANY_IPV4 = TransportPlan(TransportProtocol.UDP, ("0.0.0.0", 0))  # noqa: S104 - see below
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - probes leave by whichever route fits the target
COMMON_PLANS = frozenset(
    TransportPlan(protocol, (host, 0))
    for protocol in (TransportProtocol.UDP, TransportProtocol.TCP)
    for host in WILDCARDS
)
"""What trunks without a source of their own share."""
LOOPBACK = ("127.0.0.1", "::1")


_Key = tuple[int, int, int, tuple[str, bool], str | None, int]
"""Ids of policy, identity and transport; our sent-by and whether SIPS; as whom we are seen; id of
the pace."""


class Nowhere:
    """The transport of a target whose address is not known yet: nothing is sent over it."""

    protocol = TransportProtocol.UDP
    local_address: Address = ("", 0)

    def send(self, data: bytes, destination: Address) -> None:
        """Illegal: there is no address to send to."""
        raise RuntimeError(f"nothing can be sent to {destination} before it is known")

    def send_many(self, messages: Sequence[bytes], destinations: Sequence[Address]) -> None:
        """Illegal, too."""
        raise RuntimeError("nothing can be sent before it is known where to")

    def withdraw(self, data: bytes, destination: Address) -> Obstacle | None:
        """Nothing was sent."""

    def settled(self, data: bytes, destination: Address) -> None:
        """Nothing was asked."""

    def drain(self) -> None:
        """Nothing can have arrived."""

    def dropped_datagrams(self) -> int:
        """Nothing can have been lost."""
        return 0

    def certificate(self, destination: Address) -> Certificate | None:
        """Nobody was met."""

    def close(self) -> None:
        """Nothing is open."""


NOWHERE = Nowhere()
UNSENT = SharedOptions(sent_by="nowhere.invalid")
GONE = ProbeSettings(KeepalivePolicy(), ProbeIdentity(), UNSENT, NOWHERE)
"""Of a target that is probed no more, so that it holds nothing that others could do without."""


def way_to(uri: str, identity: ProbeIdentity) -> str:
    """The URI that probes of target ``uri`` are sent to (RFC 3261 8.1.2)."""
    return identity.outbound_proxy or uri


class ProbeSockets:
    """See the module's opening."""

    def __init__(
        self,
        receiver: MessageReceiver,
        open_transport: OpenTransport,
        address_towards: AddressTowards,
        user_agent: str,
        answers_at: Collection[tuple[TransportProtocol, str, int]] = (),
    ) -> None:
        """``answers_at`` is where we listen over connections: far sides may answer there."""
        self._receiver = receiver
        self._answers_at = tuple(answers_at)
        self._open_transport = open_transport
        self._address_towards = address_towards
        self._user_agent = user_agent
        self._transports: dict[TransportPlan, MessageTransport] = {}
        self._udp: dict[tuple[str, int], MessageTransport] = {}
        """Those of them that are UDP sockets, by their local addresses."""
        # Keyed by identity: while settings live, what they were made of does, so no id is used
        # twice. Those that no target uses any more are gone.
        self._settings = WeakValueDictionary[_Key, ProbeSettings]()
        self._unlocated = WeakValueDictionary[tuple[int, int, int], ProbeSettings]()
        self.paces = Paces()
        """What caps the probes of each carrier."""

    def call_sender(self, user_agent: str | None) -> bool:
        """Have settings made from now on name this User-Agent; None: as before.

        True if it is another one: then all that are in use are to be made anew.
        """
        if user_agent is None or user_agent == self._user_agent:
            return False
        self._user_agent = user_agent
        self._settings.clear()
        return True

    def transports(self) -> Collection[MessageTransport]:
        """What probes leave by at present."""
        return self._transports.values()

    def prepare(self, plans: Iterable[TransportPlan]) -> None:
        """Open what is planned, or raise OSError and open none."""
        opened: list[TransportPlan] = []
        try:
            for plan in plans:
                if plan not in self._transports:
                    self._open(plan)
                    opened.append(plan)
        except OSError:
            for plan in opened:
                self._close(plan)
            raise

    def settings_for(
        self,
        policy: KeepalivePolicy,
        identity: ProbeIdentity,
        way: SipUri,
        server: Server,
        pace: Pace | None = None,
    ) -> ProbeSettings | None:
        """How ``server``, found for the URI ``way``, is probed.

        None if the source is of another address family; raises OSError with a sentence if what
        is needed cannot be opened.
        """
        plan = _plan(identity, way, server)
        if (":" in plan.local[0]) != (len(server.address) == 4):
            return None
        transport = self._transports.get(plan) or self._open(plan)
        sent_by = self._sent_by(transport, server.address)
        secure = way.scheme == "sips" or (identity.request_uri or "").startswith("sips:")
        ours = sent_by, secure
        return self._settings_for(policy, identity, transport, ours, None, pace=pace)

    def settings_at(
        self,
        policy: KeepalivePolicy,
        identity: ProbeIdentity,
        address: tuple[str, int],
        pace: Pace | None = None,
    ) -> ProbeSettings | None:
        """How an IPv4 address that the target's URI names is probed over UDP.

        The same as ``settings_for``, for a million targets; None if it takes more than that.
        """
        transport = self._udp.get(identity.source or ANY_IPV4.local)
        if transport is None or identity.outbound_proxy or identity.request_uri:
            return None
        ours = self._sent_by(transport, address), False
        return self._settings_for(policy, identity, transport, ours, None, pace=pace)

    def has_route(self, server: Server) -> bool:
        """False if nothing that this machine sends could get to ``server``."""
        return self._address_towards(server.address) is not None

    def unlocated(
        self, policy: KeepalivePolicy, identity: ProbeIdentity, pace: Pace | None = None
    ) -> ProbeSettings:
        """The settings of a target until its name has been looked up."""
        key = (id(policy), id(identity), id(pace))
        settings = self._unlocated.get(key)
        if settings is None:
            settings = ProbeSettings(policy, identity, UNSENT, NOWHERE, pace=pace)
            self._unlocated[key] = settings
        return settings

    def seen_as(self, settings: ProbeSettings, address: Address, public: str) -> ProbeSettings:
        """The same settings for who is seen by the far side at ``public``.

        That is ``host:port``, or the host alone over connections: then the port of Contact is where
        we listen. Who has no place yet is seen by nobody.
        """
        if settings.transport is NOWHERE:
            return settings
        ours = self._sent_by(settings.transport, address), settings.secure
        return self._settings_for(
            settings.policy,
            settings.identity,
            settings.transport,
            ours,
            public,
            pace=settings.pace,
        )

    def _settings_for(
        self,
        policy: KeepalivePolicy,
        identity: ProbeIdentity,
        transport: MessageTransport,
        ours: tuple[str, bool],
        public: str | None,
        *,
        pace: Pace | None,
    ) -> ProbeSettings:
        """``ours`` is our sent-by, and whether we are asked for by SIPS."""
        key = (id(policy), id(identity), id(transport), ours, public, id(pace))
        settings = self._settings.get(key)
        if settings is None:
            options = self._options(identity, transport.protocol, ours, public)
            settings = ProbeSettings(
                policy, identity, options, transport, secure=ours[1], pace=pace
            )
            self._settings[key] = settings
        return settings

    def _options(
        self,
        identity: ProbeIdentity,
        protocol: TransportProtocol,
        ours: tuple[str, bool],
        public: str | None,
    ) -> SharedOptions:
        sent_by, secure = ours
        contact = identity.contact_uri
        if contact is None and public is not None:
            contact = f"{'sips' if secure else 'sip'}:{public}"
            if protocol.reliable:
                _, port = split_sent_by(sent_by)
                contact += "" if port is None else f":{port}"
                contact += "" if secure else f";transport={protocol}"
        return SharedOptions(
            sent_by=sent_by,
            from_uri=identity.from_uri,
            to_uri=identity.to_uri,
            contact_uri=contact,
            headers=identity.headers,
            max_forwards=identity.max_forwards,
            routes=(identity.outbound_proxy,) if identity.outbound_proxy else (),
            advertised=identity.advertised_address,
            user_agent=self._user_agent,
            transport=protocol.value.upper(),
            secure=secure,
        )

    def _sent_by(self, transport: MessageTransport, destination: Address) -> str:
        host, port = transport.local_address[:2]
        if host in WILDCARDS:
            # The Via names an address that the far side can answer to (RFC 3261 18.1.1). Without a
            # route nothing leaves, but something legal has to stand there.
            host = self.leaves_from(transport, destination) or LOOPBACK[len(destination) == 4]
        return host_and_port(host, port or self._listening_port(transport.protocol, host))

    def leaves_from(self, transport: MessageTransport, destination: Address) -> str | None:
        """The local address that packets to ``destination`` have; None: there is no route."""
        host = transport.local_address[0]
        return self._address_towards(destination) if host in WILDCARDS else host

    def _listening_port(self, protocol: TransportProtocol, host: str) -> int | None:
        """The port at which ``host`` takes connections from far sides (RFC 3261 18.2.2)."""
        everywhere = WILDCARDS[":" in host]
        for listened, place, port in self._answers_at:
            if listened is protocol and port and place in {host, everywhere}:
                return port
        return None

    def close_unused(self) -> None:
        """Close what no target is probed over any more."""
        needed = {id(each.transport) for each in self._settings.values()}
        for plan, transport in list(self._transports.items()):
            if id(transport) not in needed:
                self._close(plan)

    def close(self) -> None:
        """Close everything."""
        for plan in list(self._transports):
            self._close(plan)

    def _open(self, plan: TransportPlan) -> MessageTransport:
        transport = self._transports[plan] = self._open_transport(plan, self._receiver)
        if plan.protocol is TransportProtocol.UDP:
            self._udp[plan.local] = transport
        return transport

    def _close(self, plan: TransportPlan) -> None:
        self._transports.pop(plan).close()
        if plan.protocol is TransportProtocol.UDP:
            del self._udp[plan.local]


def server_of(way: SipUri) -> Server | None:
    """The server that ``way`` names in digits; None if its host is a name."""
    if is_ipv4(way.host):  # most of a million targets
        return Server(TransportProtocol(way.transport), (way.host, way.effective_port))
    return literal_server(way)


def plans_of(trunk: Trunk) -> Iterator[TransportPlan]:
    """What the trunk certainly needs: every literal target's, and its source in any case.

    Names are not looked up for it; what those need is opened when they have been.
    """
    identity = trunk.identity
    is_usual = identity.source is None and identity.outbound_proxy is None
    if is_usual and len(trunk.targets) == 1 and plain_address(trunk.targets[0]) is not None:
        yield ANY_IPV4  # most of a million
        return
    for uri in (identity.outbound_proxy,) if identity.outbound_proxy else trunk.targets:
        way = SipUri.parse(uri)
        server = server_of(way)
        if server is not None:
            yield _plan(identity, way, server)
        elif identity.source is not None:
            protocol = TransportProtocol(way.transport)
            yield _plan_from(identity, way, protocol, identity.source)


def _plan(identity: ProbeIdentity, way: SipUri, server: Server) -> TransportPlan:
    local = identity.source or (WILDCARDS[len(server.address) == 4], 0)
    return _plan_from(identity, way, server.protocol, local)


def _plan_from(
    identity: ProbeIdentity, way: SipUri, protocol: TransportProtocol, local: tuple[str, int]
) -> TransportPlan:
    if protocol is not TransportProtocol.TLS:
        return TransportPlan(protocol, local)
    # The certificate has to name the domain that was asked for (RFC 5922 7.2).
    return TransportPlan(protocol, local, identity.tls, identity.tls.server_name or way.host)
