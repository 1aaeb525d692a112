"""Ports for servers that must be told theirs before they start, and get it again at a restart."""

from __future__ import annotations

import itertools
import os
import socket

# Below the range from which systems hand out ports by themselves, so that no socket of a prober
# ever sits on the port of a peer that is being restarted.
FIRST, LAST = 20_000, 29_999

# Each process of a parallel run begins somewhere else.
_candidates = itertools.cycle(
    itertools.chain(
        range(start := FIRST + os.getpid() * 97 % (LAST - FIRST), LAST + 1), range(FIRST, start)
    )
)


def free_port(host: str) -> int:
    """A port of ``host`` that nothing is bound to, over UDP or TCP, nor will be very soon."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in itertools.islice(_candidates, LAST - FIRST + 1):
        with (
            socket.socket(family, socket.SOCK_DGRAM) as datagrams,
            socket.socket(family, socket.SOCK_STREAM) as streams,
        ):
            try:
                datagrams.bind((host, port))
                streams.bind((host, port))
            except OSError:
                continue
            return port
    raise OSError(f"no port of {host} is free between {FIRST} and {LAST}")
