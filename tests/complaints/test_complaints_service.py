"""Complaints about what a prober says and whom it tells: the whole service, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from access_world import bearer
from complaints.loopback import Watched, closed_port, service
from http_receiver import Receiver, saying
from trunkpulse.app import CannotStart
from trunkpulse.model import Reason, TrunkState
from trunkpulse.sip.message import Response, parse_message
from trunkpulse.sip.request import SharedOptions
from trunkpulse.sip.transaction import T1_SECONDS


def trunk(trunk_id: str, port: int, more: str = "") -> str:
    return f'[[trunks]]\nid = "{trunk_id}"\ntargets = ["sip:127.0.0.1:{port}"]\n{more}\n'


def stream(url: str) -> str:
    return (
        '[[event_streams]]\nid = "noc"\n'
        f'[event_streams.destination]\ntype = "webhook"\nurl = "{url}"\n'
    )


async def got(watched: Watched, path: str) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=watched.up.url, trust_env=False) as client:
        return await client.get(path, headers=bearer(watched.up.token))


class Phone:
    """A socket that asks with OPTIONS as a carrier does."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self._asked = 0

    async def ask(self, port: int) -> Response:
        """Asks again after T1: whoever asks too often gets no answer (RFC 3261 17.1.2)."""
        self._asked += 1
        loop = asyncio.get_running_loop()
        request = SharedOptions(sent_by=f"127.0.0.1:{self.port}").render(
            b"sip:127.0.0.1:%d" % port, b"z9hG4bK%d" % self._asked, b"1", b"call", self._asked
        )
        while True:
            await loop.sock_sendto(self.socket, request, ("127.0.0.1", port))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(T1_SECONDS):
                    return await self._answer()

    async def _answer(self) -> Response:
        while True:
            data = await asyncio.get_running_loop().sock_recv(self.socket, 4096)
            message = parse_message(data)
            # Probes of ours that come in here are what this phone does not answer.
            if isinstance(message, Response):
                return message


async def test_only_one_node_probes_a_database(tmp_path: Path) -> None:
    """OpenSIPS 2400 and 3470, Kamailio PR 2985: a passive node probed as well, and wrote."""
    trunks = trunk("a", closed_port())
    async with service(tmp_path, trunks) as watched:
        with pytest.raises(CannotStart, match="Another trunkpulse runs on"):
            async with service(tmp_path, trunks):
                pass
        await watched.until("a", TrunkState.DOWN)
    async with service(tmp_path, trunks) as watched:  # and when the first has gone, the next may
        await watched.until("a", TrunkState.DOWN)


async def test_an_alert_needs_no_program_of_ones_own(tmp_path: Path) -> None:
    """FreeSWITCH 1664: to hear of a dead gateway one had to write a program."""
    receiver = Receiver()
    await receiver.start()
    try:
        setup = trunk("a", closed_port()) + stream(receiver.url)
        async with service(tmp_path, setup):
            await receiver.came.wait()
        event = json.loads(receiver.requests[0].body)
        assert event["eventType"] == "telephony.trunks.stateChange"
        assert (event["entityId"], event["state"]) == ("a", "DOWN")
        assert event["reasonCode"] == Reason.NETWORK_ERROR
    finally:
        await receiver.stop()


async def test_a_draining_node_answers_503(tmp_path: Path) -> None:
    """LiveKit SIP 764: a node that was going away still answered 200, and was sent calls."""
    port = closed_port()
    receiver = Receiver()
    await receiver.start()
    asked_to_leave, may_end = asyncio.Event(), asyncio.Event()

    async def answer_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await may_end.wait()
        await saying(200)(reader, writer)

    receiver.answer = answer_late  # a delivery under way is what it waits for at its end
    setup = f'[sip]\nlisten = ["udp:127.0.0.1:{port}"]\n' + stream(receiver.url)

    async def serve_until_told() -> None:
        async with service(tmp_path, setup + trunk("a", closed_port())):
            await receiver.came.wait()
            await asked_to_leave.wait()

    serving = asyncio.create_task(serve_until_told())
    phone = Phone()
    with closing(phone.socket):
        await receiver.came.wait()
        assert (await phone.ask(port)).code == 200
        asked_to_leave.set()
        while (answer := await phone.ask(port)).code == 200:
            pass
        assert answer.code == 503
        assert int(answer.headers.single("Retry-After")) > 0
        may_end.set()
        await serving
    await receiver.stop()


async def test_a_disabled_trunk_stays_in_the_metrics(tmp_path: Path) -> None:
    """Kamailio 4906: a target that was disabled vanished, and so did the alert on it."""
    off, down = (closed_port() for _ in range(2))
    async with service(
        tmp_path, trunk("off", off, "enabled = false") + trunk("down", down)
    ) as watched:
        await watched.until("down", TrunkState.DOWN)
        watched.up.node.roster.set_admin_enabled("down", enabled=False)
        lines = (await got(watched, "/metrics")).text.splitlines()
        for trunk_id in ("off", "down"):
            of_trunk = [line for line in lines if f'trunk="{trunk_id}"' in line]
            (state,) = (line for line in of_trunk if line.startswith("trunkpulse_trunk_state"))
            assert 'state="DOWN"' in state
            assert 'reason="ADMIN_DISABLED"' in state
            (up,) = (line for line in of_trunk if line.startswith("trunkpulse_target_up"))
            assert up.endswith(" 0")


async def test_a_carrier_heard_but_silent_is_told_so(tmp_path: Path) -> None:
    """ivozprovider 582: some carriers answer only who they have sent something themselves."""
    port = closed_port()
    phone = Phone()
    with closing(phone.socket):
        setup = f'[sip]\nlisten = ["udp:127.0.0.1:{port}"]\n' + trunk(
            "a", phone.port, "[trunks.keepalive]\ntimeout_seconds = 1"
        )
        async with service(tmp_path, setup) as watched:
            await watched.until("a", TrunkState.DOWN)
            assert (await phone.ask(port)).code == 200
            explained = (await got(watched, "/api/v2/telephony/trunks/a/explain")).json()
            assert "does not answer" in explained["summary"]
            assert "it sent us an OPTIONS" in explained["summary"]
            assert "the path towards us works" in explained["summary"]
            shown = (await got(watched, "/api/v2/telephony/trunks/a")).json()
            assert shown["lastHeard"] is not None
