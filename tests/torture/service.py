"""The real thing: ``trunkpulse serve`` as a process of its own, on files of its own."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx2

from access_world import bearer
from nursery import Forked, Nursery
from torture.watch import PATIENCE_SECONDS, Watch
from trunkpulse.adapters.machine_token import MachineToken, machine_token_file

PROGRAM = Path(sys.executable).with_name("trunkpulse")
# The name stays as it was written: a secret that a test leaves unset must not be set around it.
SURROUNDINGS = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}

FAST = """
[instance]
id = "torture"
[api]
listen = "127.0.0.1:0"
[sip]
listen = []
[keepalive]
interval_seconds = 0.1
confirm_interval_seconds = 0.1
down_interval_seconds = 0.1
max_failed_attempts = 1
min_successful_attempts = 1
timeout_seconds = 30
jitter = 0
"""
"""One answer decides. No attempt times out: a busy machine must not look like a dead carrier."""


def trunk(trunk_id: str, *targets: str, more: str = "") -> str:
    listed = ", ".join(f'"{target}"' for target in targets)
    return f'[[trunks]]\nid = "{trunk_id}"\ntargets = [{listed}]\n{more}\n'


def stream(stream_id: str, url: str, *, reasons: str | None = '["*"]') -> str:
    """A webhook; an audit stream unless ``reasons`` says otherwise (None: the default)."""
    codes = "" if reasons is None else f"reason_codes = {reasons}\n"
    return (
        f'[[event_streams]]\nid = "{stream_id}"\n{codes}'
        f'[event_streams.destination]\ntype = "webhook"\nurl = "{url}"\n'
    )


def route(route_id: str, *trunk_ids: str) -> str:
    places = ", ".join(
        f'{{ id = "{each}", priority = {place} }}' for place, each in enumerate(trunk_ids, 1)
    )
    return f'[[routes]]\nid = "{route_id}"\nnumbers = ["+1"]\ntrunks = [{places}]\n'


class Service:
    """One life of the process."""

    def __init__(
        self, process: asyncio.subprocess.Process | Forked, watch: Watch, database: Path
    ) -> None:
        self.process = process
        self.watch = watch
        self.database = database
        self.lines: list[dict[str, str]] = []
        self.text: list[str] = []
        self.has_ended = False
        self._reading = asyncio.create_task(self._read())

    @property
    def api(self) -> str:
        return next(line["api"] for line in self.lines if line["event"] == "ready")

    @property
    def token(self) -> str:
        """What commands on this machine get in by; there from the line "ready" to the end."""
        machine = MachineToken.read(machine_token_file(self.database))
        assert machine is not None
        return machine.token

    def logged(self, event: str) -> list[dict[str, str]]:
        return [line for line in self.lines if line["event"] == event]

    async def until_logged(self, event: str, times: int = 1) -> dict[str, str]:
        """The ``times``-th line of this event; fails if the process ends without it."""
        await self.watch.until(
            lambda: self.has_ended or len(self.logged(event)) >= times,
            f"{times} lines of {event!r}",
        )
        assert len(self.logged(event)) >= times, "\n".join(self.text)
        return self.logged(event)[times - 1]

    async def until_line(self, count: int) -> None:
        """Return once ``count`` lines of whatever kind are there, or the process has ended."""
        await self.watch.until(
            lambda: self.has_ended or len(self.text) >= count, f"{count} lines of the log"
        )

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._reading
            return await self.process.wait()

    async def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        self.process.kill()
        assert await self.ended() == -signal.SIGKILL

    async def _read(self) -> None:
        lines = self.process.stderr
        assert lines is not None
        async for line in lines:
            text = line.decode().rstrip()
            self.text.append(text)
            if text.startswith("timestamp="):
                parts = (part.partition("=") for part in shlex.split(text))
                self.lines.append({key: value for key, _, value in parts})
            self.watch.stir()
        self.has_ended = True
        self.watch.stir()


class Installation:
    """A configuration file and a database, and how the process is started on them."""

    def __init__(self, folder: Path, bytecode: Path, nursery: Nursery | None = None) -> None:
        self.folder = folder
        self.config = folder / "trunkpulse.toml"
        self.data = folder / "data"
        self.database = self.data / "trunkpulse.db"
        self.bytecode = bytecode
        """Where Python keeps what it compiled, so that the first start alone takes long."""
        self.nursery = nursery
        """If there is one, its processes have no imports to do."""

    def write(self, *parts: str) -> None:
        """The configuration file, in place of the one before in one go."""
        new = self.config.with_suffix(".new")
        new.write_text("\n".join([FAST, *parts]))
        new.replace(self.config)

    async def spawn(self, watch: Watch, environ: Mapping[str, str] | None = None) -> Service:
        """Start the process and do not wait for anything."""
        arguments = ("serve", "--config", str(self.config), "--data", str(self.data))
        env = {**SURROUNDINGS, "PYTHONPYCACHEPREFIX": str(self.bytecode), **(environ or {})}
        process: asyncio.subprocess.Process | Forked
        if self.nursery is not None:
            process = await self.nursery.spawn(
                arguments, env, folder=self.folder, with_stdout=False
            )
        else:
            process = await asyncio.create_subprocess_exec(
                PROGRAM,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env=env,
            )
        return Service(process, watch, self.database)

    @asynccontextmanager
    async def running(self, watch: Watch) -> AsyncIterator[Service]:
        """The process, ready; however the test ends, it is ended."""
        service = await self.spawn(watch)
        try:
            await service.until_logged("ready")
            yield service
        finally:
            if not service.has_ended:
                service.process.kill()
            await service.ended()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database holds, read past the program."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    def events(self) -> list[str]:
        return [body for (body,) in self.rows("SELECT body FROM events ORDER BY position")]

    def undelivered(self) -> int:
        return int(self.rows("SELECT count(*) FROM deliveries WHERE result IS NULL")[0][0])


def http(service: Service) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        base_url=service.api,
        headers=bearer(service.token),
        trust_env=False,
        timeout=PATIENCE_SECONDS,
    )


async def answer_of(client: httpx2.AsyncClient, path: str) -> Any:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def states(client: httpx2.AsyncClient) -> dict[str, str]:
    page = await answer_of(client, "/api/v2/telephony/trunks")
    return {entity["id"]: entity["state"] for entity in page["entities"]}


async def decided(client: httpx2.AsyncClient) -> list[str]:
    """The trunks that a call is offered to, in order."""
    answer = await client.post("/api/v2/routing/decide", json={"to": "+15551230001"})
    assert answer.status_code == 200, answer.text
    return [candidate["trunkId"] for candidate in answer.json()["candidates"]]


def sentences(text: Iterable[str]) -> list[str]:
    """The lines of ``text``, each of which must be one plain sentence and no traceback."""
    lines = list(text)
    for line in lines:
        assert re.fullmatch(r"[A-Z/][^\n]*\.", line), line
        assert "Traceback" not in line
        assert "Errno" not in line
    return lines
