from __future__ import annotations

import asyncio
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from trunkpulse.app import running
from trunkpulse.config.settings import ApiSettings, Config, InstanceSettings, SipSettings


@pytest.fixture
def lists_are_ready() -> Iterator[asyncio.Event]:
    """Set once the log says so."""
    ready = asyncio.Event()

    def listen(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if line["event"] == "lists.ready":
            ready.set()
        raise structlog.DropEvent

    processors = structlog.get_config()["processors"]
    before = list(processors)
    processors[:] = [listen]
    yield ready
    processors[:] = before


async def test_a_service_has_its_lists_ready_before_anybody_asks(
    tmp_path: Path, lists_are_ready: asyncio.Event
) -> None:
    config = Config(
        instance=InstanceSettings(id="here"),
        api=ApiSettings(listen=("127.0.0.1", 0)),
        sip=SipSettings(listen=()),
    )
    async with running(config, tmp_path):
        async with asyncio.timeout(30):
            await lists_are_ready.wait()
