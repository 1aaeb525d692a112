"""Host names to socket addresses, the way this machine resolves them.

The system's resolver (``getaddrinfo``: hosts file, DNS, whatever nsswitch names) is asked in a
thread of the loop's pool. It cannot be interrupted; on the deadline the caller is answered and
the thread is left to finish by itself. A literal address is never looked up.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, cast

from trunkpulse.ports import Address, ResolutionFailed

__all__ = ["Lookup", "SystemResolver"]

Lookup = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Asks for the addresses of a name and port, best first; raises ``socket.gaierror``."""

_WHY: Final = {
    socket.EAI_AGAIN: "the name server did not answer",
    socket.EAI_FAIL: "the name server answered with an error",
    socket.EAI_NONAME: "no such host name",
}


class SystemResolver:
    """``ports.Resolver`` over ``getaddrinfo``: IPv4 and IPv6, in the order of RFC 6724."""

    def __init__(self, *, deadline_seconds: float = 5.0, lookup: Lookup | None = None) -> None:
        """``lookup`` replaces the system's own."""
        self._deadline_seconds = deadline_seconds
        self._lookup = _system_lookup if lookup is None else lookup

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """The addresses of ``host``, best first, never empty; raises ResolutionFailed.

        ``host`` is a name or a literal, an IPv6 literal with or without its URI brackets.
        """
        if literal := _literal(host, port):
            return (literal,)
        try:
            async with asyncio.timeout(self._deadline_seconds):
                found = await self._lookup(host, port)
        except TimeoutError as error:
            raise ResolutionFailed(
                f"{host}: no answer from the name server within {self._deadline_seconds:g} seconds"
            ) from error
        except socket.gaierror as error:
            why = _WHY.get(error.errno or 0, error.strerror)
            raise ResolutionFailed(f"{host}: {why}") from error
        except UnicodeError as error:
            # The IDNA codec refuses an empty label or one of more than 63 characters.
            raise ResolutionFailed(f"{host}: not a host name") from error
        if not found:
            raise ResolutionFailed(f"{host}: the name has no address")
        return tuple(dict.fromkeys(found))


async def _system_lookup(host: str, port: int) -> Sequence[Address]:
    answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    # The stubs also allow for a Python built without IPv6, which answers in bytes.
    return [cast("Address", address) for _, _, _, _, address in answers]


def _literal(host: str, port: int) -> Address | None:
    """``host`` as a socket address if it is written as an address, None if it is a name."""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        ipaddress.ip_address(bare)
        answers = socket.getaddrinfo(
            bare, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )
    except ValueError:
        return None
    except socket.gaierror as error:
        # An IPv6 zone (fe80::1%eth9) that this machine does not have.
        raise ResolutionFailed(f"{host}: {error.strerror}") from error
    return cast("Address", answers[0][4])
