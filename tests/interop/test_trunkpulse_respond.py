"""``trunkpulse respond`` and the responder of ``serve``, asked by tools that know nothing of us."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from interop.peers.kamailio import Kamailio
from interop.peers.ports import free_port
from interop.peers.sipp import asking
from interop.peers.sipsak import sipsak
from interop.peers.software import ipv6_loopback
from interop.service import responding, serving, trunkpulse
from interop.settings import config_file
from interop.tapped import tapped_node
from trunkpulse.model import Reason, TrunkState

pytestmark = pytest.mark.interop

QUICKLY = ("--count", "3", "--interval", "0.1", "--timeout", "0.7", "--json")


async def probed(uri: str, folder: Path) -> tuple[int, str]:
    """The exit code of ``trunkpulse probe``, and its verdict."""
    outcome = await trunkpulse("probe", uri, *QUICKLY, folder=folder)
    report = json.loads(outcome.output)
    assert report["sent"] == 3
    return outcome.code, report["verdict"]


async def test_sipsak_is_content_with_respond(tmp_path: Path) -> None:
    async with responding(tmp_path) as place:
        outcome = await sipsak(f"sip:ping@{place}", tmp_path)
        assert outcome.code == 0, outcome.output
        assert "SIP/2.0 200 OK" in outcome.output


@pytest.mark.parametrize(("code", "line"), [(404, "404 Not Found"), (503, "503 Service")])
async def test_sipsak_is_refused_by_respond_with_a_code(
    code: int, line: str, tmp_path: Path
) -> None:
    async with responding(tmp_path, "--code", str(code)) as place:
        outcome = await sipsak(f"sip:ping@{place}", tmp_path)
        assert outcome.code != 0
        assert line in outcome.output


@pytest.mark.parametrize("scenario", ["asks_last_hop", "asks_extension", "asks_for_call"])
async def test_sipp_gets_the_answer_of_the_standard(scenario: str, tmp_path: Path) -> None:
    async with responding(tmp_path) as place:
        outcome = await asking(scenario, place, tmp_path)
        assert outcome.code == 0, outcome.output


async def test_sipsak_is_content_with_the_service_itself(tmp_path: Path) -> None:
    port = free_port("127.0.0.1")
    async with serving(config_file(tmp_path, {}, sip=f'["udp:127.0.0.1:{port}"]')):
        outcome = await sipsak(f"sip:ping@127.0.0.1:{port}", tmp_path)
        assert outcome.code == 0, outcome.output
        assert "SIP/2.0 200 OK" in outcome.output


async def test_probe_finds_respond_healthy(tmp_path: Path) -> None:
    async with responding(tmp_path) as place:
        assert await probed(f"sip:{place}", tmp_path) == (0, "healthy")


async def test_probe_finds_a_refusing_respond_not_healthy(tmp_path: Path) -> None:
    async with responding(tmp_path, "--code", "503") as place:
        assert await probed(f"sip:{place}", tmp_path) == (1, "rejected")


async def test_probe_finds_respond_healthy_over_ipv6(tmp_path: Path) -> None:
    async with responding(tmp_path, host=f"[{ipv6_loopback()}]") as place:
        assert await probed(f"sip:{place}", tmp_path) == (0, "healthy")


async def test_probe_finds_kamailio_healthy_and_names_it(
    kamailio: Kamailio, tmp_path: Path
) -> None:
    outcome = await trunkpulse("probe", kamailio.uri, *QUICKLY, folder=tmp_path)
    assert outcome.code == 0
    report = json.loads(outcome.output)
    assert report["verdict"] == "healthy"
    assert [attempt["code"] for attempt in report["attempts"]] == [200, 200, 200]
    assert "kamailio" in report["attempts"][0]["software"]
    assert len(kamailio.answered) == 3


async def test_probe_finds_a_closed_port_refused(tmp_path: Path) -> None:
    assert await probed(f"sip:127.0.0.1:{free_port('127.0.0.1')}", tmp_path) == (1, "refused")


async def test_probe_finds_a_deaf_socket_silent(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        uri = f"sip:127.0.0.1:{deaf.getsockname()[1]}"
        assert await probed(uri, tmp_path) == (1, "silent")


@pytest.mark.parametrize(
    ("code", "state", "reason"),
    [
        ("200", TrunkState.AVAILABLE, Reason.KEEPALIVE_RESTORED),
        ("503", TrunkState.DOWN, Reason.KEEPALIVE_FAILURE),
    ],
)
async def test_node_judges_respond_by_its_code(
    code: str, state: TrunkState, reason: Reason, tmp_path: Path
) -> None:
    async with responding(tmp_path, "--code", code) as place:
        config = config_file(tmp_path, {"carrier": f"sip:{place}"})
        async with tapped_node(config) as running:
            [change] = await running.changes.count(1)
            assert (change.state, change.reason) == (state, reason)
            assert change.evidence[0].code == int(code)
