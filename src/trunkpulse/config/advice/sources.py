"""Advice on local addresses: whether this machine has those that probes shall leave from."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

from trunkpulse.config.advice.item import Advice, named
from trunkpulse.config.settings import Config
from trunkpulse.model import Trunk

__all__ = ["on_sources"]

_NOT_HERE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


def on_sources(config: Config) -> Iterator[Advice]:
    """Sources that no socket of this machine can have; each address is tried once, on any port.

    The file may be written on another machine than the one that it is for, so this is no mistake.
    """
    using: dict[str, list[Trunk]] = {}
    for trunk in config.trunks:
        # Sockets are opened for trunks that are not enabled too, so that they can be at once.
        if trunk.identity.source is not None:
            using.setdefault(trunk.identity.source[0], []).append(trunk)
    for host, trunks in using.items():
        obstacle = _obstacle(host)
        if obstacle is not None:
            yield Advice(
                "source_not_here",
                "warning",
                named("trunk", trunks),
                f"{obstacle}, so serve would refuse the file here",
                "give this machine the address, correct source, or check the file where it will"
                " be used",
            )


def _obstacle(host: str) -> str | None:
    """Why nothing can be sent from ``host``; None if it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((host, 0))
    except OSError as problem:
        if problem.errno in _NOT_HERE:
            return f"this machine has no address {host}"
        reason = os.strerror(problem.errno) if problem.errno else "unknown"
        return f"this machine cannot send from {host} ({reason})"
    return None
