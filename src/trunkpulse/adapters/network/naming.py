"""Questions to the name servers of this machine, asked on the event loop by a deadline.

``getaddrinfo`` is not asked. It works in a thread that nothing can interrupt: a name server that
is silent would hold threads that others need, and the end of the process with them. dnspython
asks on the event loop instead, so a deadline is a deadline and a cancelled look-up is gone.

An answer is one of three: records; none, on the name server's word; or nobody could say. The last
two are kept apart because of what follows: a kind of record that does not exist is passed over,
one that could not be asked for may be the one that counts.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdata
import dns.rdatatype
import dns.resolver

from trunkpulse.adapters.network.machine import RESOLV_CONF, Watched, name_servers

__all__ = ["NO_HOST_NAME", "NO_RECORDS", "Deadline", "NameServers", "Said"]

NO_HOST_NAME: Final = "not a host name"
NO_RECORDS: Final = "no such records"
"""The name exists, but not with what was asked for."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """By when all questions of one look-up have to be answered."""

    at: float
    """On the clock of the running loop."""
    seconds: float
    """What the whole look-up was given, for the words of a failure."""

    @classmethod
    def within(cls, seconds: float) -> Deadline:
        """So many seconds from now."""
        return cls(asyncio.get_running_loop().time() + seconds, seconds)

    def halved(self) -> Deadline:
        """When half of what is left is over."""
        now = asyncio.get_running_loop().time()
        return Deadline(now + (self.at - now) / 2, self.seconds)


@dataclass(frozen=True, slots=True)
class Said:
    """What the name servers said to one question."""

    records: tuple[dns.rdata.Rdata, ...] = ()
    ttl_seconds: float = 0.0
    """The least of the records and of the aliases that led to them; 0 without records."""
    failure: str = NO_RECORDS
    """Why there are no records, for a person."""
    certain: bool = True
    """False: nobody could say whether there are any."""
    cause: Exception | None = None


class NameServers:
    """The name servers, search list and options of resolv.conf, read again when it changes."""

    def __init__(self, resolv_conf: Path = RESOLV_CONF, port: int = 53) -> None:
        """``port`` is where the name servers listen."""
        self._resolv_conf = resolv_conf
        self._servers = Watched(resolv_conf, partial(name_servers, port=port))
        self._backend = _ConnectedSockets()

    async def ask(self, name: str, kind: dns.rdatatype.RdataType, deadline: Deadline) -> Said:
        """The records of ``name``, aliases followed; never raises for what others did.

        A name that ends in a dot is complete; to others the search list and ``ndots`` apply.
        """
        try:
            asked = dns.name.from_text(name, None)
        except dns.exception.DNSException as error:
            return Said(failure=NO_HOST_NAME, cause=error)
        try:
            servers = self._servers.read()
        except OSError as error:
            said = (
                f"{self._resolv_conf} cannot be read ({error.strerror}), so there is no"
                " name server to ask"
            )
            return Said(failure=said, certain=False, cause=error)
        except (dns.exception.DNSException, ValueError) as error:
            said = f"{self._resolv_conf} names no name server that can be asked"
            return Said(failure=said, certain=False, cause=error)
        return await self._ask(servers, asked, kind, deadline)

    async def _ask(
        self,
        servers: dns.asyncresolver.Resolver,
        name: dns.name.Name,
        kind: dns.rdatatype.RdataType,
        deadline: Deadline,
    ) -> Said:
        try:
            # dnspython counts its lifetime by the wall clock, which may be set; this one may not.
            async with asyncio.timeout_at(deadline.at):
                answer = await servers.resolve(
                    name,
                    kind,
                    raise_on_no_answer=False,
                    lifetime=deadline.seconds,
                    search=True,
                    backend=self._backend,
                )
        except dns.resolver.NXDOMAIN as error:
            return Said(failure="no such host name", cause=error)
        except (dns.exception.DNSException, OSError) as error:
            return Said(failure=_why(error, deadline), certain=False, cause=error)
        if answer.rrset is None:
            return Said()
        return Said(tuple(answer.rrset), float(answer.chaining_result.minimum_ttl))


class _ConnectedSockets:
    """dnspython's sockets for asyncio (its ``asyncbackend``), connected to the name server.

    Only so does one hear at once that nobody listens there (ICMP), and strangers not at all.
    """

    def __init__(self) -> None:
        self._asyncio: Any = dns.asyncbackend.get_backend("asyncio")

    def datagram_connection_required(self) -> bool:
        return True

    async def make_socket(self, *given: Any, **named: Any) -> Any:
        return await self._asyncio.make_socket(*given, **named)

    async def sleep(self, interval: float) -> None:
        await asyncio.sleep(interval)


def _why(error: dns.exception.DNSException | OSError, deadline: Deadline) -> str:
    """Why nobody could say, in words."""
    match error:
        case TimeoutError() | dns.exception.Timeout():
            return f"no answer from the name server within {deadline.seconds:g} seconds"
        case OSError():
            return f"the name server cannot be reached ({error.strerror or error})"
        case dns.resolver.NoNameservers():
            return _last_failure(error)
        case _:
            return f"it cannot be looked up ({error})"


def _last_failure(error: dns.resolver.NoNameservers) -> str:
    """What the last name server that was asked did."""
    _, _, _, failure, _ = error.kwargs["errors"][-1]
    match failure:
        case str() as code:
            return f"the name server answered {code}"
        case OSError():
            return f"the name server cannot be reached ({failure.strerror or failure})"
        case _:
            return "the name server answered something that is no answer"
