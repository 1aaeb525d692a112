"""The prober's own link is cut: namespaces, a real interface that goes down and comes back.

The cut lasts a few seconds. For the five minutes of a real outage run it by hand:

    TRUNKPULSE_CUT_SECONDS=300 pytest --timeout 900 tests/interop/test_cut_link.py
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from interop.peers import namespaces
from interop.peers.namespaces import Network
from interop.peers.odd import answers_well, odd_over_udp
from interop.peers.processes import run_to_end
from interop.peers.software import peer
from interop.service import Service, serving
from interop.settings import config_file, trunk

pytestmark = pytest.mark.interop

CUT_SECONDS = float(os.environ.get("TRUNKPULSE_CUT_SECONDS", "6"))
LONGEST_WAIT_SECONDS = 10.0
"""A program that does not end for much longer is taken to be stuck."""
PORTS = (5060, 5061, 5062)


@pytest.fixture
async def net(tmp_path: Path) -> AsyncIterator[Network]:
    async with namespaces.network(tmp_path) as built:
        yield built


async def switch(net: Network, namespace: str, device: str, *, up: bool) -> None:
    state = ("link", "set", device, "up" if up else "down")
    outcome = await run_to_end(peer("ip"), "-n", namespace, *state, folder=net.folder)
    assert outcome.code == 0, outcome.output
    if up and device == "lan" and namespace == net.inside:  # its routes went with it
        route = ("route", "replace", "default", "via", namespaces.GATEWAY)
        outcome = await run_to_end(peer("ip"), "-n", namespace, *route, folder=net.folder)
        assert outcome.code == 0, outcome.output


async def elapsed(net: Network, seconds: float) -> None:
    """The cut itself takes its time: another program does the waiting."""
    while seconds > 0.0:
        step = min(seconds, LONGEST_WAIT_SECONDS)
        outcome = await run_to_end("sleep", f"{step:g}", folder=net.folder)
        assert outcome.code == 0
        seconds -= step


def changes(service: Service) -> list[str]:
    return [line for line in service.process.lines.entries if "event=trunk.changed" in line]


@pytest.mark.parametrize("side", ["ours", "theirs"])
async def test_a_cut_of_our_own_link_condemns_nobody(
    net: Network, tmp_path: Path, side: str
) -> None:
    """Ours: the interface is switched off. Theirs: it is on, and has no carrier."""
    async with AsyncExitStack() as far_ends:
        carriers = []
        for port in PORTS:
            place = namespaces.datagram_socket(net.outside, (namespaces.OUTSIDE, port))
            far = await far_ends.enter_async_context(odd_over_udp(answers_well, place))
            carriers.append(trunk(f"carrier-{port}", far.uri))
        config = config_file(tmp_path, {}, more="\n".join(carriers))
        async with serving(config, run_by=net.within(net.inside)) as service:
            for port in PORTS:
                await service.process.line(f"event=trunk.changed trunk=carrier-{port} ")
            namespace = net.inside if side == "ours" else net.box
            await switch(net, namespace, "lan", up=False)
            isolated = await service.process.line("event=prober.isolated")
            assert "rule=LINK" in isolated
            assert "lan" in isolated
            await elapsed(net, CUT_SECONDS)
            assert len(changes(service)) == len(PORTS)
            assert not any("prober.restored" in line for line in service.process.lines.entries)
            await switch(net, namespace, "lan", up=True)
            await service.process.line("event=prober.restored")
            await elapsed(net, 3.0)
            assert len(changes(service)) == len(PORTS)
