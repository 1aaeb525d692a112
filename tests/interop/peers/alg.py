"""A SIP ALG of our own: a UDP relay that rewrites requests, as broken routers do.

Such a router means well: what a telephone behind it says of its private address shall be the
public one. It finds addresses and names by looking for them in the text, changes them on the way
out, and forgets to change them back. Answers are passed on exactly as they came.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import Enum

from trunkpulse.ports import Address
from trunkpulse.sip.grammar import host_and_port

HOST = "127.0.0.1"


class Rewrite(Enum):
    """What an ALG may change: which part of which line."""

    CONTACT = rb"(?im)^(Contact[ \t]*:[^\r\n]*?sips?:(?:[^@>\r\n]*@)?)([^;>\r\n]+)"
    """The address in Contact becomes the relay's outer one."""
    VIA = rb"(?im)^(Via[ \t]*:[ \t]*SIP/2\.0/UDP[ \t]+)([^;\r\n]+)"
    """So does that in Via."""
    CALL_ID = rb"(?im)^(Call-ID[ \t]*:[ \t]*)([^\r\n]+)"
    """It gets a name that does not give the inside away."""
    BRANCH = rb"(?im)^(Via[ \t]*:[^\r\n]*?;branch=)([^;\r\n]+)"
    """It gets one that the relay can tell apart, so that nobody knows the answer again."""

    def apply(self, request: bytes, outer: str) -> bytes:
        new = {
            Rewrite.CONTACT: outer,
            Rewrite.VIA: outer,
            Rewrite.CALL_ID: f"alg-call@{outer}",
            Rewrite.BRANCH: "z9hG4bKalg",
        }[self]
        changed, number = re.subn(self.value, rb"\g<1>" + new.encode(), request, count=1)
        assert number == 1, f"no {self.name} in {request!r}"
        return changed


class _Side(asyncio.DatagramProtocol):
    """One of its two sockets."""

    def __init__(self, received: Callable[[bytes, Address], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._received(data, addr)


@asynccontextmanager
async def rewriting(place: str, *rewrites: Rewrite) -> AsyncIterator[str]:
    """An ALG between one prober and the far side at ``place``; gives where to send instead."""
    loop = asyncio.get_running_loop()
    host, _, port = place.rpartition(":")
    far_side = host, int(port)
    prober: Address | None = None

    def outwards(request: bytes, source: Address) -> None:
        nonlocal prober
        prober = source
        for each in rewrites:
            request = each.apply(request, outer_place)
        outer.sendto(request, far_side)

    def inwards(answer: bytes, source: Address) -> None:
        if prober is not None:
            inner.sendto(answer, prober)

    outer, _ = await loop.create_datagram_endpoint(lambda: _Side(inwards), local_addr=(HOST, 0))
    outer_place = _place(outer)
    inner, _ = await loop.create_datagram_endpoint(lambda: _Side(outwards), local_addr=(HOST, 0))
    try:
        yield _place(inner)
    finally:
        inner.close()
        outer.close()


def _place(transport: asyncio.DatagramTransport) -> str:
    host, port = transport.get_extra_info("sockname")
    return host_and_port(host, port)
