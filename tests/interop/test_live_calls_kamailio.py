"""Calls that SIPp places through a real Kamailio, which mirrors them (siptrace, HEPv3)."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

import pytest

from interop.peers.mirroring import mirroring, place_calls
from interop.peers.ports import free_port
from interop.service import Service, serving
from interop.settings import config_file

pytestmark = pytest.mark.interop

CALLS = 10_000
A_SECOND = 800


async def counted(service: Service, name: str) -> int:
    """One number of the metrics, by its name and labels."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", await service.metrics(), re.MULTILINE)
    assert found is not None, name
    return int(float(found[1]))


def call_in_vain(proxy: str) -> None:
    """A call that the far side answers with 503; returns once that has come back."""
    host, _, port = proxy.partition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.bind(("127.0.0.1", 0))
        caller.settimeout(10)
        us = f"127.0.0.1:{caller.getsockname()[1]}"
        invite = (
            f"INVITE sip:busy@{proxy} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {us};branch=z9hG4bKin-vain\r\n"
            f"From: <sip:a@{us}>;tag=a\r\nTo: <sip:busy@{proxy}>\r\n"
            "Call-ID: in-vain\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n"
            f"Contact: <sip:a@{us}>\r\nContent-Length: 0\r\n\r\n"
        )
        caller.sendto(invite.encode(), (host, int(port)))
        assert caller.recv(65_535).startswith(b"SIP/2.0 503 ")


async def test_ten_thousand_calls_are_counted_right_and_keepalives_pause_meanwhile(
    tmp_path: Path,
) -> None:
    collector = f"127.0.0.1:{free_port('127.0.0.1')}"
    async with mirroring(tmp_path / "peers", collector) as path:
        listens = f'[hep]\nlisten = ["udp:{collector}"]\n'
        config = config_file(tmp_path, {"carrier": path.uri}, more=listens)
        async with serving(config) as service:
            await service.changes("carrier", 1)
            before = path.answered
            outcome = await place_calls(
                path.proxy, tmp_path, calls=CALLS, a_second=A_SECOND, milliseconds=200
            )
            during = path.answered - before
            assert outcome.code == 0, outcome.output[-2000:]
            names = {
                "begun": 'trunkpulse_calls_total{fate="begun"}',
                "answered": 'trunkpulse_calls_total{fate="answered"}',
                "silent": 'trunkpulse_calls_total{fate="silent"}',
                "up": "trunkpulse_calls_up",
                "dropped": 'trunkpulse_hep_frames_total{fate="dropped"}',
                "malformed": 'trunkpulse_hep_frames_total{fate="malformed"}',
                "success": 'trunkpulse_call_evidence_total{meaning="success"}',
            }
            await path.answers(before + during + 4)  # at this pace a keepalive is due all the time
            seen = {name: await counted(service, line) for name, line in names.items()}
            assert seen == {
                "begun": CALLS,
                "answered": CALLS,
                "silent": 0,
                "up": 0,
                "dropped": 0,
                "malformed": 0,
                "success": CALLS,
            }
            # For twelve seconds there are calls; without them there would be 25 keepalives.
            assert during <= 8
            assert len(await service.events("carrier")) == 1
            await asyncio.to_thread(call_in_vain, path.proxy)
            await path.answers(path.answered + 3)
            doubts = await counted(service, 'trunkpulse_call_evidence_total{meaning="doubt"}')
            assert doubts == 1
            shown = await service.get("/api/v2/telephony/trunks/carrier/activity")
            assert (shown["activeCalls"], shown["keepalivesPaused"]) == (0, False)
