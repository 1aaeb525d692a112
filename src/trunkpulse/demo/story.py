"""What the demo does, and how it is told.

Two carriers, one over UDP and one over TLS, one route over both, one webhook. Carrier A falls
silent; its trunk goes DOWN, the webhook says so, calls go to carrier B; carrier A comes back, and
so do the calls. Everything is observed from outside, over HTTP, as an operator's own programs
would: nothing is taken from inside the running service, so what the story reports has really
happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.http.server import serve_http
from trunkpulse.app import running
from trunkpulse.config import load_config
from trunkpulse.demo.carrier import Carrier, listen_over_tls
from trunkpulse.demo.certificate import make_certificate
from trunkpulse.demo.receiver import Receiver

__all__ = ["Findings", "play"]

CONFIG = """\
[instance]
id = "demo"

[api]
listen = "127.0.0.1:{api_port}"

[sip]
listen = []

[keepalive]                      # quicker than real life, so that half a minute is enough
interval_seconds = 2
confirm_interval_seconds = 1
down_interval_seconds = 2
timeout_seconds = 1
max_failed_attempts = 3
min_successful_attempts = 2

[[trunks]]
id = "carrier-a"
name = "Carrier A"
targets = ["{carrier_a}"]

[[trunks]]
id = "carrier-b"
name = "Carrier B"
targets = ["{carrier_b}"]
[trunks.advanced]
tls = {{ ca_file = "{ca_file}" }}  # made for this demo; a real carrier's needs no ca_file

[[routes]]
id = "north-america"
numbers = ["+1"]
trunks = [ {{ id = "carrier-a", priority = 1 }}, {{ id = "carrier-b", priority = 2 }} ]

[[event_streams]]
id = "noc"
name = "Network operations"
[event_streams.destination]
type = "webhook"
url = "{receiver}/hook"
secret = "env:DEMO_WEBHOOK_SECRET"
"""
NUMBER = "+12125550123"
PATIENCE_SECONDS = 25.0
"""For any one thing to happen; the settings above promise a fraction of it."""

Say = Callable[[str, str], None]
"""Takes the kind of a line (config, act, state, event, route, ready, done) and the line."""


class _StoryStalled(Exception):
    """Something that should have happened did not; the message says what."""


@dataclass
class Findings:
    """What was really observed; the demo succeeds only if all of it was."""

    before: list[str] = field(default_factory=list)
    """Trunks of the route decision before the outage, in order; likewise below."""
    during: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    told_down: bool = False
    """A signed webhook said DOWN, with reason and evidence."""
    told_restored: bool = False
    stalled: str | None = None
    """What should have happened and did not."""

    @property
    def complete(self) -> bool:
        """Failover and recovery, each seen in a decision and in an event."""
        return (
            self.before == ["carrier-a", "carrier-b"]
            and self.during == ["carrier-b"]
            and self.after == ["carrier-a", "carrier-b"]
            and self.told_down
            and self.told_restored
        )


async def play(folder: Path, say: Say, findings: Findings, ready: Callable[[str], None]) -> None:
    """Tell the story, then stay up, narrating, until cancelled; a stalled story ends at once.

    ``ready`` is given the URL of the API once it listens.
    """
    clock = SystemClock()
    receiver = Receiver()
    async with contextlib.AsyncExitStack() as stage:
        carrier_a = Carrier("carrier-a", clock)
        stage.callback(carrier_a.close)
        identity = make_certificate(folder, "carrier-b")
        carrier_b = await listen_over_tls("carrier-b", clock, identity)
        stage.callback(carrier_b.close)
        places = {
            "carrier-a": carrier_a.uri,
            "carrier-b": f"sip:127.0.0.1:{carrier_b.local_address[1]};transport=tls",
        }
        host, port = await stage.enter_async_context(serve_http(receiver.app, "127.0.0.1", 0))
        path = _write_config(folder, places, identity.cert_file, f"http://{host}:{port}")
        config = load_config(path, {**os.environ, "DEMO_WEBHOOK_SECRET": receiver.secret})
        say("config", f"configuration  {path}")
        for name, uri in places.items():
            say("config", f"{name}      answers OPTIONS at {uri}")
        instance = await stage.enter_async_context(running(config, folder))
        ready(instance.url)
        api = await stage.enter_async_context(
            httpx2.AsyncClient(
                base_url=instance.url, headers={"authorization": f"Bearer {instance.token}"}
            )
        )
        scene = _Scene(api, receiver, say)
        try:
            await scene.play(carrier_a, findings)
        except _StoryStalled as problem:
            findings.stalled = str(problem)
            return
        if findings.complete:
            say("done", "observed: failover to carrier-b and back, each told by a signed webhook")
            say("ready", "it stays up until its time is over or Ctrl-C; meanwhile, elsewhere, try:")
            say("ready", f"  .venv/bin/trunkpulse trunks disable carrier-a --data {folder}")
            say(
                "ready",
                "which needs no token, because it runs on the same machine; a program does:",
            )
            say(
                "ready",
                "  .venv/bin/trunkpulse clients create my-program --scope telephony.trunks.read "
                f"--data {folder}",
            )
        await scene.narrate()


def _write_config(folder: Path, places: dict[str, str], ca_file: str, receiver: str) -> Path:
    path = folder / "trunks.toml"
    path.write_text(
        CONFIG.format(
            api_port=0,
            carrier_a=places["carrier-a"],
            carrier_b=places["carrier-b"],
            ca_file=ca_file,
            receiver=receiver,
        )
    )
    return path


class _Scene:
    """The stage as the audience sees it: the API and the webhook receiver."""

    def __init__(self, api: httpx2.AsyncClient, receiver: Receiver, say: Say) -> None:
        self._api = api
        self._receiver = receiver
        self._say = say

    async def play(self, carrier: Carrier, findings: Findings) -> None:
        await self._wait_for("carrier-a", "AVAILABLE")
        await self._wait_for("carrier-b", "AVAILABLE")
        findings.before = await self._decide()

        self._say("act", f"{carrier.name} falls silent: it takes requests and answers none")
        carrier.fail()
        event = await self._event("DOWN")
        findings.told_down = (
            event["reasonCode"] == "KEEPALIVE_FAILURE"
            and event["metadata"]["failedAttempts"] == 3
            and bool(event["metadata"]["evidence"])
        )
        findings.during = await self._decide()

        self._say("act", f"{carrier.name} comes back")
        carrier.recover()
        event = await self._event("AVAILABLE")
        findings.told_restored = event["reasonCode"] == "KEEPALIVE_RESTORED"
        findings.after = await self._decide()

    async def narrate(self) -> None:
        """Go on telling what the webhook is told, for as long as the demo is up."""
        while True:
            self._tell(await self._receiver.arrived.get())

    async def _wait_for(self, trunk_id: str, state: str) -> None:
        """Poll the API until the trunk is in ``state``."""
        async for trunk in self._polled(f"/api/v2/telephony/trunks/{trunk_id}"):
            if trunk["state"] == state:
                rtt = trunk["targets"][0]["rttMs"]
                self._say("state", f"{trunk_id} is {state}: answered, round trip {rtt:.1f} ms")
                return
        raise _StoryStalled(f"{trunk_id} did not become {state} within {PATIENCE_SECONDS:g} s.")

    async def _polled(self, path: str) -> AsyncIterator[dict[str, Any]]:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            answer = await self._api.get(path)
            answer.raise_for_status()
            yield answer.json()
            await asyncio.sleep(0.1)

    async def _event(self, state: str) -> dict[str, Any]:
        """The next webhook about carrier A, which must bring it to ``state``."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                event = await self._receiver.arrived.get()
        except TimeoutError:
            raise _StoryStalled(f"No webhook came within {PATIENCE_SECONDS:g} s.") from None
        self._tell(event)
        if (event["entityId"], event["state"]) != ("carrier-a", state):
            raise _StoryStalled(
                f"The webhook says {event['entityId']} is {event['state']}, not carrier-a {state}."
            )
        return event

    def _tell(self, event: dict[str, Any]) -> None:
        self._say(
            "state",
            f"{event['entityId']} {event['previousState']} -> {event['state']}  "
            f"{event['reasonCode']}, failed attempts {event['metadata']['failedAttempts']}",
        )
        for each in event["metadata"]["evidence"]:
            what = each["detail"] or (f"answered {each['code']}" if each["code"] else "no attempt")
            self._say("state", f"  evidence: {each['target']} {what}")
        self._say("event", "webhook received, signature verified:")
        for line in json.dumps(event, indent=2).splitlines():
            self._say("event", f"  {line}")

    async def _decide(self) -> list[str]:
        answer = await self._api.post("/api/v2/routing/decide", json={"to": NUMBER})
        answer.raise_for_status()
        decision = answer.json()
        order = [candidate["trunkId"] for candidate in decision["candidates"]]
        line = f"a call to {NUMBER} goes to {', then '.join(order) or 'nobody'}"
        for each in decision["skipped"]:
            line += f"  ({each['trunkId']} skipped: {each['reasonCode']})"
        self._say("route", line)
        return order
