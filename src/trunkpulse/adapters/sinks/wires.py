"""Connections to message brokers: where a destination's URL leads, and the way there.

The libraries that speak with brokers would resolve a name and dial by themselves. None of them is
let: an address is dialled here after it was checked, and a library is given what came of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote, urlsplit

from trunkpulse.adapters.outbound import Forbidden, HostUnknown, Outside
from trunkpulse.model import EventStream
from trunkpulse.ports import Address, DestinationInvalid

__all__ = ["Endpoint", "Target", "Way", "Wire", "endpoints_of", "said"]

MOST_TRIED: Final = 8
"""Of a host's addresses; all of them are checked."""
DIAL_SECONDS: Final = 8.0
"""Shared by the addresses of a host, so that a silent one leaves time for the others."""
READ_LIMIT_BYTES: Final = 1024 * 1024
"""The longest line that is waited for; what brokers say to a producer is short."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A broker's host and port, as they are configured."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Target:
    """What the URL of a destination says."""

    endpoints: tuple[Endpoint, ...]
    tls: bool
    username: str | None
    path: str
    """Without its first slash, decoded."""

    @property
    def endpoint(self) -> Endpoint:
        return self.endpoints[0]


@dataclass(frozen=True, slots=True)
class Wire:
    """A connection that was dialled to an address that had been checked."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    address: Address

    def abort(self) -> None:
        """Close it now, whatever is still unsent; safe to repeat."""
        self.writer.transport.abort()


@dataclass(frozen=True, slots=True)
class Way:
    """The way out of one stream."""

    outside: Outside
    trusted: bool

    @classmethod
    def of(cls, stream: EventStream, outside: Outside) -> Way:
        """What a configuration file declares is trusted."""
        return cls(outside, trusted=stream.managed_by is not None)

    async def dial(self, endpoint: Endpoint, *, tls: bool) -> Wire:
        """A connection to the first address that takes one.

        The last has no deadline of its own. Raises OSError, of which Forbidden and HostUnknown
        are two.
        """
        addresses = await self.outside.addresses(endpoint.host, endpoint.port, trusted=self.trusted)
        *others, last = addresses[:MOST_TRIED]
        share_seconds = DIAL_SECONDS / (len(others) + 1)
        for address in others:
            # Why it did not work is told of the last one. A TimeoutError is an OSError.
            with contextlib.suppress(OSError):
                async with asyncio.timeout(share_seconds):
                    return await self._dial(address, endpoint.host if tls else None)
        return await self._dial(last, endpoint.host if tls else None)

    def permits(self, address: Address) -> bool:
        """Whether a connection to this address may be used, as things are now."""
        return self.outside.permits(address, trusted=self.trusted)

    def tls_context(self) -> ssl.SSLContext:
        """What certificates are verified with."""
        return self.outside.tls or _trust_of_this_machine()

    async def _dial(self, address: Address, certified_name: str | None) -> Wire:
        reader, writer = await asyncio.open_connection(
            address[0],
            address[1],
            limit=READ_LIMIT_BYTES,
            ssl=self.tls_context() if certified_name else None,
            server_hostname=certified_name,
        )
        return Wire(reader, writer, address)


@lru_cache(maxsize=1)
def _trust_of_this_machine() -> ssl.SSLContext:
    """Reading all authorities takes a while and some memory: one context serves all streams."""
    return ssl.create_default_context()


def endpoints_of(stream: EventStream, schemes: Mapping[str, bool], default_port: int) -> Target:
    """What the URL of ``stream`` says; ``schemes`` says which there are, and which are TLS.

    Several hosts may be given, separated by commas. Raises DestinationInvalid, whose message does
    not repeat the URL: somebody may have put a password into it.
    """
    where = f"The destination of event stream {stream.id!r}"
    likeness = f"{next(iter(schemes))}://broker.example.com:{default_port}"
    try:
        url = urlsplit(stream.destination.url)
        account, _, hosts = url.netloc.rpartition("@")
        endpoints = tuple(_endpoint(each, default_port) for each in hosts.split(","))
    except ValueError:
        raise DestinationInvalid(
            f"{where} needs a url with a host; write it like {likeness}."
        ) from None
    if url.scheme not in schemes:
        either = " or ".join(f"{scheme}://" for scheme in schemes)
        raise DestinationInvalid(
            f"{where} needs a url that begins with {either}; write it like {likeness}."
        )
    if ":" in account:
        raise DestinationInvalid(
            f"{where} has a password in its url, where it can be read; give it as secret instead."
        )
    if url.query or url.fragment:
        raise DestinationInvalid(
            f"{where} has a url with a ? or # in it; settings are keys of the destination instead."
        )
    username = unquote(account) or stream.destination.option("username", "") or None
    return Target(endpoints, schemes[url.scheme], username, unquote(url.path.removeprefix("/")))


def _endpoint(text: str, default_port: int) -> Endpoint:
    """Raises ValueError."""
    parts = urlsplit(f"//{text}")
    if not parts.hostname or "%" in parts.hostname or parts.path:
        raise ValueError(text)
    return Endpoint(parts.hostname, parts.port or default_port)


def said(error: OSError) -> str:
    """What went wrong, in the operating system's words if it was the one to say so."""
    if isinstance(error, (Forbidden, HostUnknown)):
        return str(error)
    # asyncio puts the address where the system's text was; a number of TLS means nothing to it.
    if error.errno and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__
