"""The way in by itself, while the service does not run: for commands about who may come in.

Such a command has the database to itself meanwhile and speaks to the same resources, over the same
protocol, on a port of this machine that exists for its own sake alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from trunkpulse import __version__
from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.http.api.application import create_access_api
from trunkpulse.adapters.http.server import serve_http
from trunkpulse.adapters.machine_token import MachineToken
from trunkpulse.app.access import open_door
from trunkpulse.app.data import alone_with, open_store, open_vault
from trunkpulse.config.settings import ApiSettings
from trunkpulse.sip.grammar import host_and_port

__all__ = ["desk"]

_HOST = "127.0.0.1"
_NAME = "desk"
"""Nothing that it writes is of an instance."""


@contextlib.asynccontextmanager
async def desk(database: Path) -> AsyncIterator[MachineToken]:
    """Who may come in, to be seen and changed for as long as the block runs.

    Raises AlreadyRunning if the service has the database, and CannotStart.
    """
    clock = SystemClock()
    with alone_with(database):
        vault = open_vault(database.parent)
        store = await open_store(database, _NAME, clock)
        try:
            async with open_door(store, vault, clock, database=database, api=ApiSettings) as door:
                api = create_access_api(door.access, version=__version__, listen_host=_HOST)
                async with serve_http(api, _HOST, 0, graceful_seconds=1) as (host, port):
                    yield MachineToken(f"http://{host_and_port(host, port)}", door.token)
        finally:
            await store.close()
