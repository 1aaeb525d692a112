"""The way out for event streams as tests want it: names of their own, and a record of each dial."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import httpcore2

from trunkpulse.adapters.network.addresses import HostAddresses
from trunkpulse.adapters.network.naming import NameServers
from trunkpulse.adapters.outbound import Outside
from trunkpulse.config.settings import IpNetwork


class Dialler(httpcore2.AsyncNetworkBackend):
    """Dials this machine like the product does, the rest of the world never, and keeps a record."""

    def __init__(self) -> None:
        self.dialled: list[str] = []
        """Every address, in order, without its port."""
        self._real = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        self.dialled.append(host)
        if not ipaddress.ip_address(host).is_loopback:
            raise httpcore2.ConnectError("there is no outside in a test")
        return await self._real.connect_tcp(host, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._real.sleep(seconds)


def networks(*texts: str) -> tuple[IpNetwork, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


def way_out(
    folder: Path,
    network: httpcore2.AsyncNetworkBackend,
    *,
    name_server_port: int = 9,
    hosts: str = "",
    allow: Callable[[], Sequence[IpNetwork]] = tuple,
    tls: ssl.SSLContext | None = None,
) -> Outside:
    """Names are asked of 127.0.0.1 at ``name_server_port``, where by default nobody listens."""
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    (folder / "hosts").write_text(hosts)
    names = HostAddresses(NameServers(folder / "resolv.conf", name_server_port), folder / "hosts")
    return Outside(allow=allow, names=names, network=network, tls=tls)
