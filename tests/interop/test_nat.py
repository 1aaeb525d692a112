"""A trunk that is probed from behind a real NAT: namespaces, nftables, masquerading."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from interop.peers import namespaces
from interop.peers.namespaces import Network
from interop.peers.odd import FarSide, answers_well, odd_over_udp
from interop.peers.processes import run_to_end
from interop.service import Service, serving
from interop.settings import config_file, trunk

pytestmark = pytest.mark.interop

SIP_PORT = 5060
_CONTACT = re.compile(rb"(?m)^Contact: <sip:([0-9.]+):([0-9]+)[;>]")


@pytest.fixture
async def net(tmp_path: Path) -> AsyncIterator[Network]:
    async with namespaces.network(tmp_path) as built:
        yield built


@pytest.fixture
async def far_side(net: Network) -> AsyncIterator[FarSide]:
    place = namespaces.datagram_socket(net.outside, (namespaces.OUTSIDE, SIP_PORT))
    async with odd_over_udp(answers_well, place) as outside:
        yield outside


def contact(request: bytes) -> tuple[str, int]:
    found = _CONTACT.search(request)
    assert found is not None, request
    return found[1].decode(), int(found[2])


async def contact_on(far_side: FarSide, host: str) -> tuple[str, int]:
    """The first Contact that shows this host, as it was seen outside."""

    def look(requests: Sequence[bytes]) -> tuple[str, int] | None:
        return next((seen for seen in map(contact, requests) if seen[0] == host), None)

    return await far_side.requests.until(look)


ASK = """
import sys, urllib.request as web
request = web.Request(sys.argv[1], headers={"authorization": f"Bearer {sys.argv[2]}"})
print(web.urlopen(request).read().decode())
"""


async def fetched(net: Network, service: Service, path: str, folder: Path) -> str:
    """What the service says at ``path``: it listens inside, so somebody inside asks."""
    url = f"{service.url}{path}"
    command = net.within(net.inside, sys.executable, "-c", ASK, url, service.token)
    outcome = await run_to_end(*command, folder=folder)
    assert outcome.code == 0, outcome.output
    return outcome.output


async def test_public_address_is_learned_and_its_change_is_recorded(
    net: Network, far_side: FarSide, tmp_path: Path
) -> None:
    carrier = trunk("carrier", far_side.uri, enable_nat=True)
    config = config_file(tmp_path, {}, more=carrier)
    async with serving(config, run_by=net.within(net.inside)) as service:
        host, port = await contact_on(far_side, namespaces.PUBLIC)
        assert port in namespaces.PUBLIC_PORTS
        assert contact(far_side.requests.entries[0])[0] == namespaces.INSIDE
        await service.process.line(f"event=nat.address_learned {_seen(far_side, host, port)}")

        await net.change_public_address()
        other_host, other_port = await contact_on(far_side, namespaces.OTHER_PUBLIC)
        assert other_port in namespaces.PUBLIC_PORTS
        line = await service.process.line("event=nat.address_changed")
        assert _seen(far_side, other_host, other_port) in line
        assert f"before={host}:{port}" in line
        metrics = await fetched(net, service, "/metrics", tmp_path)
        assert "\ntrunkpulse_nat_address_changes_total 1" in metrics
        path = "/api/v2/telephony/trunks/carrier"
        [target] = json.loads(await fetched(net, service, path, tmp_path))["targets"]
        assert target["publicAddress"] == f"{other_host}:{other_port}"
        assert [each["address"] for each in target["publicAddresses"]] == [
            f"{host}:{port}",
            f"{other_host}:{other_port}",
        ]


def _seen(far_side: FarSide, host: str, port: int) -> str:
    return f"trunk=carrier uri={far_side.uri} public={host}:{port}"


async def test_without_enable_nat_the_private_address_is_shown(
    net: Network, far_side: FarSide, tmp_path: Path
) -> None:
    config = config_file(tmp_path, {"carrier": far_side.uri})
    async with serving(config, run_by=net.within(net.inside)):
        requests = await far_side.requests.count(4)
        assert {contact(each)[0] for each in requests} == {namespaces.INSIDE}
