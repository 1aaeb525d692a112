"""A whole trunkpulse sends events of API-made streams where ``[outbound] allow`` says by now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from access_world import bearer
from http_receiver import Receiver
from trunkpulse.app import Running, running
from trunkpulse.config import Config, load_config

DOORS = '[api]\nlisten = "127.0.0.1:0"\n[sip]\nlisten = []\n'
ALLOWED = '[outbound]\nallow = ["127.0.0.1"]\n'


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


def configured(folder: Path, more: str = "") -> Config:
    file = folder / "trunkpulse.toml"
    file.write_text(DOORS + more)
    return load_config(file, {})


def client(instance: Running) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        base_url=instance.url, headers=bearer(instance.token), trust_env=False, timeout=60
    )


def files_of_the_database(folder: Path) -> list[bytes]:
    files = [file for file in folder.glob("trunkpulse.db*") if file.suffix != ".lock"]
    assert files
    return [file.read_bytes() for file in files]


async def tried(http: httpx2.AsyncClient, stream_id: str) -> tuple[str, str]:
    """The outcome of a test event, and the phrase that goes with it."""
    answer = await http.post(f"/api/v2/events/streams/{stream_id}/test")
    assert answer.status_code == 200, answer.text
    said = answer.json()
    return said["outcome"], said["detail"]


async def test_what_is_allowed_holds_from_the_reload_on_and_until_it_is_taken_back(
    tmp_path: Path, receiver: Receiver
) -> None:
    async with running(configured(tmp_path), tmp_path) as instance, client(instance) as http:
        theirs = {"id": "theirs", "destination": {"type": "webhook", "url": receiver.url}}
        refused = await http.post("/api/v2/events/streams", json=theirs)
        assert refused.status_code == 422, refused.text
        assert "is a loopback address, where events may not go" in refused.json()["detail"]

        await instance.node.apply(configured(tmp_path, ALLOWED))
        made = await http.post("/api/v2/events/streams", json=theirs)
        assert made.status_code == 201, made.text
        assert await tried(http, "theirs") == ("accepted", "200 OK")

        await instance.node.apply(configured(tmp_path))
        outcome, detail = await tried(http, "theirs")
        assert outcome == "try_later"
        assert "allow under [outbound]" in detail
        assert len(receiver.requests) == 1


async def test_what_the_file_names_needs_no_permission(tmp_path: Path, receiver: Receiver) -> None:
    stream = (
        '[[event_streams]]\nid = "ours"\n'
        f'destination = {{ type = "webhook", url = "{receiver.url}" }}\n'
    )
    async with (
        running(configured(tmp_path, stream), tmp_path) as instance,
        client(instance) as http,
    ):
        assert await tried(http, "ours") == ("accepted", "200 OK")


async def test_the_database_of_a_stream_holds_none_of_its_secrets(
    tmp_path: Path, receiver: Receiver
) -> None:
    async with (
        running(configured(tmp_path, ALLOWED), tmp_path) as instance,
        client(instance) as http,
    ):
        made = await http.post(
            "/api/v2/events/streams",
            json={
                "id": "theirs",
                "name": "Theirs",
                "destination": {
                    "type": "webhook",
                    "url": receiver.url,
                    "headers": {"authorization": "Bearer of-no-matter-here"},
                },
            },
        )
        assert made.status_code == 201, made.text
        assert (await tried(http, "theirs"))[0] == "accepted"
    assert receiver.requests[0].headers["authorization"] == "Bearer of-no-matter-here"
    for content in files_of_the_database(tmp_path):
        assert b"of-no-matter-here" not in content
        assert b"token=hush" not in content
    assert (tmp_path / "trunkpulse.key").stat().st_mode & 0o777 == 0o600
