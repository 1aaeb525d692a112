"""``trunkpulse serve`` from the outside: how soon it is ready, and how fast its lists are.

The same configuration file is started twice: on an empty database, and on one in which every
trunk has a state and a history from before. The lists are read while the second one probes.
"""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote, urlsplit

from benchmarks.configuration import write_configuration
from benchmarks.history import INSTANCE, write_history
from benchmarks.load import target_uri
from benchmarks.processes import Cores, NotMeasured, running
from trunkpulse.adapters.machine_token import MachineToken

__all__ = ["Served", "Serving", "quantile", "served"]

HEAD = f"""
[instance]
id = "{INSTANCE}"
[api]
listen = "127.0.0.1:0"
[sip]
listen = []
"""
READY = re.compile(r"\bevent=ready\b")
TRUNK_ID = re.compile(r'^\[\[trunks\]\]\nid = "(.*)"$', re.MULTILINE)
LOOKS_PER_SECOND = 100
"""How often the log is looked at for the line that is awaited."""
START_SECONDS = 15.0
TRUNKS_PER_SECOND = 2_000
"""A start that is slower than this is not waited for."""
PAGES = 40
TRUNKS_PATH = "/api/v2/telephony/trunks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What was measured with one configuration."""

    trunks: int
    start_empty_seconds: float
    """From the start of the process to its line "ready", with no database yet."""
    start_filled_seconds: float
    """The same with a database that knows every trunk."""
    list_p99_seconds: float
    lists: int
    """How many pages were asked for."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A ``serve`` that is up."""

    pid: int
    url: str
    token: str
    """What commands on this machine get in by."""
    start_seconds: float
    log: Path


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of ``values`` that this share of them does not exceed; 0 of none."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


@contextmanager
def serving(file: Path, data: Path, core: int | None, patience_seconds: float) -> Iterator[Serving]:
    """The service on this configuration file, ready; ended with the block."""
    log = data.with_name("log")
    program = Path(sys.executable).with_name("trunkpulse")
    command = [str(program), "serve", "--config", str(file), "--data", str(data)]
    started = time.monotonic()
    with running(command, core=core, errors=log) as process, log.open() as lines:
        last = ""
        while True:
            for line in lines:
                last = line
                if READY.search(line):
                    seconds = time.monotonic() - started
                    break
            else:
                if process.poll() is not None:
                    raise NotMeasured(f"trunkpulse serve ended: {last.strip()}")
                if time.monotonic() - started > patience_seconds:
                    raise NotMeasured(f"Not ready after {patience_seconds:.0f} s: {last.strip()}")
                time.sleep(1 / LOOKS_PER_SECOND)
                continue
            break
        machine = MachineToken.read(data / "machine.token")
        if machine is None:
            raise NotMeasured("trunkpulse serve is ready and nobody can get in.")
        yield Serving(process.pid, machine.url, machine.token, seconds, log)


def served(trunks: int, port: int, cores: Cores) -> Served:
    """Start the service with so many trunks, twice, and read its lists."""
    patience = START_SECONDS + trunks / TRUNKS_PER_SECOND
    with TemporaryDirectory(prefix="trunkpulse-") as name:
        folder = Path(name)
        file = folder / "trunks.toml"
        write_configuration(file, trunks, port=port, head=HEAD)
        with serving(file, folder / "empty", cores.probing, patience) as empty:
            pass
        filled_data = folder / "filled"
        known = (
            (found[1], target_uri(index, port))
            for index, found in enumerate(TRUNK_ID.finditer(file.read_text(encoding="utf-8")))
        )
        asyncio.run(write_history(filled_data / "trunkpulse.db", known))
        os.sync()  # a database that has been there for long is on the disk
        with serving(file, filled_data, cores.probing, patience) as filled:
            seconds = list_seconds(filled.url, filled.token)
    return Served(
        trunks=trunks,
        start_empty_seconds=empty.start_seconds,
        start_filled_seconds=filled.start_seconds,
        list_p99_seconds=quantile(seconds, 0.99),
        lists=len(seconds),
    )


def list_seconds(url: str, token: str) -> list[float]:
    """How long each page of the trunks took that a console or a script asks for.

    The garbage collector of this process, which may have a lot to look at, is none of theirs.
    """
    gc.disable()
    try:
        return _list_seconds(url, token)
    finally:
        gc.enable()


def _list_seconds(url: str, token: str) -> list[float]:
    place = urlsplit(url)
    searches = [
        "limit=100",
        "limit=100&state=AVAILABLE",
        "limit=100&state=DOWN",
        f"limit=100&carrier={quote('Acme Telecom')}",
        "limit=100&region=eu-central",
        f"limit=100&q={quote('SBC 99')}",
        "limit=100&q=nothing-of-this-name",
    ]
    seconds: list[float] = []
    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)) as api:
        for search in (searches[0], searches[-1]):
            page_of(api, token, search)  # the first ones wait until all is ready for lists
        for search in searches:
            cursor: str | None = ""
            for _ in range(PAGES):
                asked = time.monotonic()
                cursor = page_of(api, token, f"{search}&cursor={cursor}" if cursor else search)
                seconds.append(time.monotonic() - asked)
    return seconds


def page_of(api: http.client.HTTPConnection, token: str, query: str) -> str | None:
    """Ask for one page; the cursor of the next."""
    headers = {"authorization": f"Bearer {token}"}
    api.request("GET", f"{TRUNKS_PATH}?{query}", headers=headers)
    answer = api.getresponse()
    body = answer.read()
    if answer.status != http.client.OK:
        raise NotMeasured(f"The API answered {answer.status} to {query}.")
    cursor: str | None = json.loads(body)["nextCursor"]
    return cursor
