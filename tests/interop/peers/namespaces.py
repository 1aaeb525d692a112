"""A network of this test's own: an inside, a box that translates addresses, an outside.

Three network namespaces of Linux, joined by two cables:

    inside 192.168.77.2 --- 192.168.77.1 NAT box 198.51.100.1 --- 198.51.100.9 outside

The NAT box masquerades (nftables): what leaves it shows its own address and a port of its choice,
and nobody outside knows a way to 192.168.77.0/24. Nothing of it can reach the machine's networks.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from interop.peers.processes import run_to_end
from interop.peers.software import lacking, peer

INSIDE = "192.168.77.2"
GATEWAY = "192.168.77.1"
PUBLIC = "198.51.100.1"
OTHER_PUBLIC = "198.51.100.2"
OUTSIDE = "198.51.100.9"
PUBLIC_PORTS = range(40_000, 40_100)
"""Which the NAT box shows outside; no prober ever sends from one of these."""

CLONE_NEWNET = 0x40000000
_RULES = f"""\
table ip nat {{
  chain leaving {{
    type nat hook postrouting priority srcnat
    oifname "public" meta l4proto udp masquerade to :{PUBLIC_PORTS[0]}-{PUBLIC_PORTS[-1]}
  }}
}}
"""
_numbers = itertools.count()


@dataclass(frozen=True)
class Network:
    """The three namespaces, by name."""

    inside: str
    box: str
    outside: str
    folder: Path

    def within(self, namespace: str, *command: str) -> tuple[str, ...]:
        """``command`` as it is run in that namespace."""
        return (peer("ip"), "netns", "exec", namespace, *command)

    async def change_public_address(self) -> None:
        """The provider gives the NAT box another address, and takes the first one away.

        The kernel forgets what it translated to an address that is gone.
        """
        await self._ip("-n", self.box, "address", "add", f"{OTHER_PUBLIC}/24", "dev", "public")
        await self._ip("-n", self.box, "address", "delete", f"{PUBLIC}/24", "dev", "public")

    async def build(self) -> None:
        """Lay the cables, give out the addresses, start translating."""
        for name in (self.inside, self.box, self.outside):
            await self._ip("-n", name, "link", "set", "lo", "up")
        for end, at, other, there in (
            (self.inside, "lan", self.box, "lan"),
            (self.outside, "wan", self.box, "public"),
        ):
            await self._ip(
                *("link", "add", "name", at, "netns", end),
                *("type", "veth", "peer", "name", there, "netns", other),
            )
        for name, device, address in (
            (self.inside, "lan", INSIDE),
            (self.box, "lan", GATEWAY),
            (self.box, "public", PUBLIC),
            (self.outside, "wan", OUTSIDE),
        ):
            await self._ip("-n", name, "address", "add", f"{address}/24", "dev", device)
            await self._ip("-n", name, "link", "set", device, "up")
        await self._ip("-n", self.inside, "route", "add", "default", "via", GATEWAY)
        rules = self.folder / "nat.nft"
        rules.write_text(_RULES)
        await self._done(*self.within(self.box, peer("nft"), "-f", str(rules)))
        # The second address takes over from the first one, and does not leave with it.
        for setting in ("ip_forward", "conf/public/promote_secondaries"):
            switch_on = f"echo 1 > /proc/sys/net/ipv4/{setting}"
            await self._done(*self.within(self.box, "sh", "-c", switch_on))

    async def _ip(self, *arguments: str) -> None:
        await self._done(peer("ip"), *arguments)

    async def _done(self, *command: str) -> None:
        outcome = await run_to_end(*command, folder=self.folder)
        if outcome.code != 0:
            lacking(f"{' '.join(command)} is not possible here: {outcome.output}")


@asynccontextmanager
async def network(folder: Path) -> AsyncIterator[Network]:
    """The network; nothing of it is left at the end of the block."""
    if not hasattr(socket, "AF_NETLINK") or os.geteuid() != 0:
        lacking("network namespaces need Linux and root")
    number = f"trunkpulse-{os.getpid()}-{next(_numbers)}"
    net = Network(f"{number}-inside", f"{number}-box", f"{number}-outside", folder)
    async with AsyncExitStack() as cleaning:
        for name in (net.inside, net.box, net.outside):
            outcome = await run_to_end(peer("ip"), "netns", "add", name, folder=folder)
            if outcome.code != 0:
                lacking(f"network namespaces are not allowed here: {outcome.output}")
            cleaning.push_async_callback(
                run_to_end, peer("ip"), "netns", "delete", name, folder=folder
            )
        await net.build()
        yield net


def datagram_socket(namespace: str, place: tuple[str, int]) -> socket.socket:
    """A UDP socket of this process that lives in that namespace.

    A socket stays where it was made, and a thread can be sent somewhere else for good, alone.
    """

    def make() -> socket.socket:
        libc = ctypes.CDLL(None, use_errno=True)
        with Path("/run/netns", namespace).open("rb") as there:
            if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns failed")
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.bind(place)
        return made

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(make).result()
