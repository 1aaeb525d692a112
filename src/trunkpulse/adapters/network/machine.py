"""The files in which a machine says how names are resolved: the hosts file and resolv.conf.

A file is read again when it has changed, so a machine that starts before its network is heard out
later. Both are small and local: reading them does not wait for anybody.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

import dns.asyncresolver
import dns.inet

__all__ = ["HOSTS", "LARGEST_BYTES", "RESOLV_CONF", "Hosts", "Watched", "name_servers"]

HOSTS: Final = Path("/etc/hosts")
RESOLV_CONF: Final = Path("/etc/resolv.conf")

LARGEST_BYTES: Final = 1024 * 1024
"""What lies beyond is not read: parsing a larger file would hold up probes."""

_SHORTEST_TRY_SECONDS: Final = 1.0

T = TypeVar("T")


class Watched(Generic[T]):
    """What a file says, parsed again when the file changes."""

    def __init__(self, path: Path, parse: Callable[[str], T]) -> None:
        self._path = path
        self._parse = parse
        self._known: tuple[tuple[int, int, int], T] | None = None

    def read(self) -> T:
        """What it says now; raises OSError, or what ``parse`` raises."""
        found = self._path.stat()
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if self._known is not None and self._known[0] == stamp:
            return self._known[1]
        with self._path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            content = content[: content.rfind(b"\n", 0, LARGEST_BYTES) + 1]
        value = self._parse(content.decode("utf-8", "replace"))
        self._known = (stamp, value)
        return value


class Hosts:
    """The hosts file (hosts(5)): an address and the names for it on each line."""

    def __init__(self, path: Path = HOSTS) -> None:
        self._file = Watched(path, _names)

    def addresses(self, name: str) -> Sequence[str]:
        """The addresses that ``name`` is given, as written and in their order; often none.

        A file that cannot be read gives nothing to anybody.
        """
        try:
            return self._file.read().get(name.lower(), ())
        except OSError:
            return ()


def name_servers(text: str, port: int) -> dns.asyncresolver.Resolver:
    """A resolver as resolv.conf(5) says; raises ``dns.exception.DNSException``."""
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.port = port
    # Not splitlines: it sees ends of lines where dnspython sees none.
    lines = text.replace("\r\n", "\n").split("\n")
    resolver.read_resolv_conf(io.StringIO("\n".join(filter(_is_usable, lines))))
    # "options timeout:0" would ask again and again without listening for an answer.
    resolver.timeout = max(resolver.timeout, _SHORTEST_TRY_SECONDS)
    return resolver


def _names(text: str) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for line in text.split("\n"):
        address, *given = line.partition("#")[0].split() or [""]
        for name in given:
            names.setdefault(name.lower().removesuffix("."), []).append(address)
    return names


def _is_usable(line: str) -> bool:
    """False for a name server that is no address: the others may still do, as in the C library."""
    match line.split():
        case ["nameserver", address, *_]:
            return dns.inet.is_address(address)
        case _:
            return True
