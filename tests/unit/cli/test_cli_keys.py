"""``trunkpulse keys``: secrets in the database change their key and stay what they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.keyring import Keyring
from trunkpulse.adapters.storage.database import DatabaseStore
from trunkpulse.adapters.vault import AesGcmVault
from trunkpulse.app.composition import alone_with, open_store
from trunkpulse.events.keeping import kept, restored
from trunkpulse.model import Destination, EventStream
from trunkpulse.ports import KeptStream
from unit.cli.command_line import command

NOC = EventStream(
    id="noc",
    name="NOC",
    destination=Destination(
        type="webhook", url="https://noc.example.com/hook", secret="hush", headers=(("a", "b"),)
    ),
)
TWO = (NOC, replace(NOC, id="second"))


async def a_store(folder: Path) -> DatabaseStore:
    return await open_store(folder / "trunkpulse.db", "edge", SystemClock())


async def kept_before(folder: Path) -> list[KeptStream]:
    """Two streams in the database, and the configuration file beside it."""
    (folder / "trunkpulse.toml").write_text("")
    vault = AesGcmVault(Keyring.of(folder, {}))
    store = await a_store(folder)
    for stream in TWO:
        await store.save_stream(kept(stream, vault, now_ms=1, before=None))
    found = await store.load_streams()
    await store.close()
    return found


async def test_every_secret_is_sealed_with_the_new_key_and_stays_what_it_is(tmp_path: Path) -> None:
    before = await kept_before(tmp_path)
    outcome = await command(
        "keys", "rotate", "--config", str(tmp_path / "trunkpulse.toml"), "--json"
    )
    assert (outcome.code, outcome.err) == (0, "")
    said = json.loads(outcome.out)
    assert (said["secrets"], said["streams"]) == (6, 2)
    store = await a_store(tmp_path)
    after = await store.load_streams()
    await store.close()
    used = {sealed.split(".")[1] for stream in after for sealed in stream.secrets.values()}
    assert used == {said["keyId"]}
    vault = AesGcmVault(Keyring.of(tmp_path, {}))
    assert tuple(restored(stream, vault) for stream in after) == TWO
    assert tuple(restored(stream, vault) for stream in before) == TWO, "backups still open"
    assert [replace(stream, secrets={}) for stream in after] == [
        replace(stream, secrets={}) for stream in before
    ]


async def test_what_was_done_is_said_without_any_secret(tmp_path: Path) -> None:
    await kept_before(tmp_path)
    outcome = await command("keys", "rotate", "-c", str(tmp_path / "trunkpulse.toml"))
    assert outcome.out.startswith("6 secrets of 2 event streams sealed with the key ")
    assert f"Keep a copy of {tmp_path / 'trunkpulse.key'}" in outcome.out
    for key in (tmp_path / "trunkpulse.key").read_text().split("\n")[-3:-1]:
        assert key not in outcome.out
    assert "hush" not in outcome.out


async def test_nothing_is_changed_while_the_service_runs(tmp_path: Path) -> None:
    await kept_before(tmp_path)
    keys = (tmp_path / "trunkpulse.key").read_bytes()
    with alone_with(tmp_path / "trunkpulse.db"):
        outcome = await command("keys", "rotate", "-c", str(tmp_path / "trunkpulse.toml"))
    assert outcome.code == 2
    assert "Another trunkpulse runs on" in outcome.complaint
    assert (tmp_path / "trunkpulse.key").read_bytes() == keys


async def test_a_secret_whose_key_is_lost_is_told_and_kept(tmp_path: Path) -> None:
    before = await kept_before(tmp_path)
    (tmp_path / "trunkpulse.key").unlink()
    outcome = await command("keys", "rotate", "-c", str(tmp_path / "trunkpulse.toml"))
    assert outcome.code == 2
    assert "restore that key from your copy" in outcome.complaint
    store = await a_store(tmp_path)
    assert await store.load_streams() == before
    await store.close()
