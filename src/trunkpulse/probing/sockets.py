"""Which socket a trunk is probed from, and what its probes have in common.

Trunks without a source of their own share one socket per address family; a source has a socket
of its own, so that the same endpoint probed from two sources has two states. Trunks that are
probed alike share one settings object: that is most of what keeps a million targets small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from trunkpulse.model import KeepalivePolicy, ProbeIdentity, Trunk
from trunkpulse.ports import Address, DatagramReceiver, DatagramTransport
from trunkpulse.probing.target import ProbeSettings, literal_address
from trunkpulse.sip.grammar import host_and_port
from trunkpulse.sip.request import SharedOptions, request_uri_bytes
from trunkpulse.sip.uri import SipUri

__all__ = ["AddressTowards", "OpenTransport", "ProbeSockets"]

OpenTransport = Callable[[tuple[str, int], DatagramReceiver], DatagramTransport]
"""Opens a socket on a local address and port; raises OSError with a sentence."""

AddressTowards = Callable[[Address | None], str]
"""The local address that datagrams to a destination leave from; None: to anywhere."""

WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - probes leave by whichever route fits the target


class ProbeSockets:
    """See the module's opening."""

    def __init__(
        self, open_transport: OpenTransport, address_towards: AddressTowards, user_agent: str
    ) -> None:
        self._open_transport = open_transport
        self._address_towards = address_towards
        self._user_agent = user_agent
        self._transports: dict[tuple[str, int], DatagramTransport] = {}
        self._options: dict[tuple[ProbeIdentity, str], SharedOptions] = {}
        self._settings: dict[tuple[KeepalivePolicy, SharedOptions, int], ProbeSettings] = {}

    def prepare(self, trunks: Iterable[Trunk], receiver: DatagramReceiver) -> None:
        """Open every socket that these trunks will need, or raise OSError and open none."""
        opened: list[tuple[str, int]] = []
        try:
            for source in {source for trunk in trunks for source in _sources(trunk)}:
                if source not in self._transports:
                    self._transports[source] = self._open_transport(source, receiver)
                    opened.append(source)
        except OSError:
            for source in opened:
                self._transports.pop(source).close()
            raise

    def settings_of(self, trunk: Trunk) -> Iterator[tuple[str, ProbeSettings]]:
        """Each target's URI with its settings; ``prepare`` opened the sockets."""
        identity = trunk.identity
        for uri, source in zip(trunk.targets, _sources(trunk), strict=True):
            transport = self._transports[source]
            sent_by = self._sent_by(transport, uri)
            options = self._options.get((identity, sent_by))
            if options is None:
                options = self._options[identity, sent_by] = SharedOptions(
                    sent_by=sent_by,
                    from_uri=identity.from_uri,
                    contact_uri=identity.contact_uri,
                    headers=identity.headers,
                    user_agent=self._user_agent,
                )
            key = (trunk.keepalive, options, id(transport))
            settings = self._settings.get(key)
            if settings is None:
                request_uri = identity.request_uri
                settings = self._settings[key] = ProbeSettings(
                    trunk.keepalive,
                    options,
                    transport,
                    request_uri_bytes(SipUri.parse(request_uri)) if request_uri else None,
                )
            yield uri, settings

    def _sent_by(self, transport: DatagramTransport, uri: str) -> str:
        host, port = transport.local_address[:2]
        if host in WILDCARDS:
            # The Via names an address that the far side can answer to (RFC 3261 18.1.1).
            host = self._address_towards(literal_address(SipUri.parse(uri)))
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
    return [chosen or (WILDCARDS["[" in uri], 0) for uri in trunk.targets]
