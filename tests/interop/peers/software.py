"""Which real peers this machine has. Without one its tests are skipped, on CI they fail."""

from __future__ import annotations

import os
import shutil
import socket
from typing import NoReturn

import pytest

PLACES = os.pathsep.join(("/usr/local/sbin", "/usr/sbin", "/sbin"))
"""Where servers are installed and a user's PATH does not look."""

PACKAGES = {
    "epmd": "rabbitmq-server",
    "ip": "iproute2",
    "kamailio": "kamailio and kamailio-tls-modules",
    "kamcmd": "kamailio",
    "knotd": "knot",
    "nft": "nftables",
    "openssl": "openssl",
    "rabbitmq-server": "rabbitmq-server",
    "redis-server": "redis-server",
    "sipp": "sip-tester",
    "sipsak": "sipsak",
}


def peer(command: str) -> str:
    """The path of a peer's program; the test does not go on without it.

    ``TRUNKPULSE_MISSING_PEERS`` names the commands that ``scripts/test`` could not install.
    """
    missing = os.environ.get("TRUNKPULSE_MISSING_PEERS", "").split()
    path = shutil.which(command) or shutil.which(command, path=PLACES)
    if path is None or command in missing:
        lacking(f"{command} is not installed (Debian package {PACKAGES[command]})")
    return path


def ipv6_loopback() -> str:
    """The address ::1; the test does not go on where IPv6 is switched off."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as trial:
            trial.bind(("::1", 0))
    except OSError as problem:
        lacking(f"this machine has no IPv6 loopback address ({problem.strerror})")
    return "::1"


def lacking(reason: str) -> NoReturn:
    """Skip the test, or fail it where nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"With CI=true every peer must be there, but {reason}.")
    pytest.skip(reason)
