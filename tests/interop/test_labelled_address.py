"""Whether a link is down, where an address has a label beside its interface's name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from interop.peers import namespaces
from interop.peers.processes import run_to_end
from interop.peers.software import peer

pytestmark = pytest.mark.interop

SECOND_ADDRESS = "192.168.77.5"
LOOK = f"""
import asyncio
from trunkpulse.adapters.network.link import MachineLink
path = ("{SECOND_ADDRESS}", ("{namespaces.GATEWAY}", 5060))
print("found:", asyncio.run(MachineLink().problem([path])))
"""


async def test_an_address_with_a_label_is_as_good_as_its_interface(tmp_path: Path) -> None:
    async with namespaces.network(tmp_path) as net:
        ip = (peer("ip"), "-n", net.inside)
        labelled = ("address", "add", f"{SECOND_ADDRESS}/24", "dev", "lan", "label", "lan:1")
        outcome = await run_to_end(*ip, *labelled, folder=tmp_path)
        assert outcome.code == 0, outcome.output
        look = net.within(net.inside, sys.executable, "-c", LOOK)
        assert "found: None" in (await run_to_end(*look, folder=tmp_path)).output
        outcome = await run_to_end(*ip, "link", "set", "lan", "down", folder=tmp_path)
        assert outcome.code == 0, outcome.output
        found = (await run_to_end(*look, folder=tmp_path)).output
        assert "interface lan is down" in found
