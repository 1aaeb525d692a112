"""Which socket a trunk is probed from, and what its probes have in common.

Trunks without a source of their own share one socket per address family; a source has a socket
of its own, so that the same endpoint probed from two sources has two states. Trunks that are
probed alike share one settings object: that is most of what keeps a million targets small.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from trunkpulse.model import KeepalivePolicy, ProbeIdentity, Trunk
from trunkpulse.ports import Address, MessageReceiver, MessageTransport
from trunkpulse.probing.target import ProbeSettings, literal_address
from trunkpulse.sip.grammar import host_and_port
from trunkpulse.sip.request import SharedOptions
from trunkpulse.sip.uri import SipUri

__all__ = ["AddressTowards", "OpenTransport", "ProbeSockets"]

OpenTransport = Callable[[tuple[str, int], MessageReceiver], MessageTransport]
"""Opens a socket on a local address and port; raises OSError with a sentence."""

AddressTowards = Callable[[Address | None], str]
"""The local address that datagrams to a destination leave from; None: to anywhere."""

IPV6_HOST = re.compile(r"sips?:(?:[^@\[\]]*@)?\[")
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - probes leave by whichever route fits the target


class ProbeSockets:
    """See the module's opening."""

    def __init__(
        self,
        receiver: MessageReceiver,
        open_transport: OpenTransport,
        address_towards: AddressTowards,
        user_agent: str,
    ) -> None:
        self._receiver = receiver
        self._open_transport = open_transport
        self._address_towards = address_towards
        self._user_agent = user_agent
        self._transports: dict[tuple[str, int], MessageTransport] = {}
        self._options: dict[tuple[ProbeIdentity, str], SharedOptions] = {}
        self._settings: dict[tuple[KeepalivePolicy, SharedOptions, int], ProbeSettings] = {}

    def prepare(self, trunks: Iterable[Trunk]) -> None:
        """Open every socket that these trunks will need, or raise OSError and open none."""
        opened: list[tuple[str, int]] = []
        try:
            for source in {source for trunk in trunks for source in _sources(trunk)}:
                if source not in self._transports:
                    self._transports[source] = self._open_transport(source, self._receiver)
                    opened.append(source)
        except OSError:
            for source in opened:
                self._transports.pop(source).close()
            raise

    def settings_of(self, trunk: Trunk) -> Iterator[tuple[str, ProbeSettings]]:
        """Each target's URI with its settings; ``prepare`` opened the sockets."""
        for uri, source in zip(trunk.targets, _sources(trunk), strict=True):
            transport = self._transports[source]
            sent_by = self._sent_by(transport, literal_address(SipUri.parse(uri)))
            yield uri, self._settings_for(trunk.keepalive, trunk.identity, transport, sent_by)

    def settings_towards(self, settings: ProbeSettings, address: Address) -> ProbeSettings | None:
        """The settings to probe ``address`` with, which was found for a target's name.

        Without a source of its own the target moves to the socket of the address's family. None
        if its source is of the other family, or this machine has no socket of that family.
        """
        transport = settings.transport
        if len(transport.local_address) != len(address):
            if settings.identity.source is not None:
                return None
            other = self._wildcard(WILDCARDS[len(address) == 4])
            if other is None:
                return None
            transport = other
        sent_by = self._sent_by(transport, address)
        return self._settings_for(settings.policy, settings.identity, transport, sent_by)

    def _wildcard(self, host: str) -> MessageTransport | None:
        source = (host, 0)
        if source not in self._transports:
            try:
                self._transports[source] = self._open_transport(source, self._receiver)
            except OSError:
                return None
        return self._transports[source]

    def _settings_for(
        self,
        policy: KeepalivePolicy,
        identity: ProbeIdentity,
        transport: MessageTransport,
        sent_by: str,
    ) -> ProbeSettings:
        options = self._options.get((identity, sent_by))
        if options is None:
            options = self._options[identity, sent_by] = SharedOptions(
                sent_by=sent_by,
                from_uri=identity.from_uri,
                contact_uri=identity.contact_uri,
                headers=identity.headers,
                user_agent=self._user_agent,
            )
        key = (policy, options, id(transport))
        settings = self._settings.get(key)
        if settings is None:
            settings = self._settings[key] = ProbeSettings(policy, identity, options, transport)
        return settings

    def _sent_by(self, transport: MessageTransport, destination: Address | None) -> str:
        host, port = transport.local_address[:2]
        if host in WILDCARDS:
            # The Via names an address that the far side can answer to (RFC 3261 18.1.1).
            host = self._address_towards(destination)
        return host_and_port(host, port)

    def close_unused(self, in_use: Iterable[ProbeSettings]) -> None:
        """Close the sockets that none of these settings needs, and forget unused settings."""
        used = set(map(id, in_use))
        self._settings = {key: each for key, each in self._settings.items() if id(each) in used}
        options = {id(each.options) for each in self._settings.values()}
        self._options = {key: each for key, each in self._options.items() if id(each) in options}
        transports = {id(each.transport) for each in self._settings.values()}
        for source, transport in list(self._transports.items()):
            if id(transport) not in transports:
                del self._transports[source]
                transport.close()

    def close(self) -> None:
        """Close every socket."""
        for transport in self._transports.values():
            transport.close()
        self._transports.clear()


def _sources(trunk: Trunk) -> list[tuple[str, int]]:
    """The local address that each of the trunk's targets is probed from."""
    chosen = trunk.identity.source
    return [chosen or (WILDCARDS[IPV6_HOST.match(uri) is not None], 0) for uri in trunk.targets]
