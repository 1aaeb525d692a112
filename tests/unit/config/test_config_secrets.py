"""Where a secret of the file comes from."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from trunkpulse.model import EventStream
from unit.config.loading import load

SECRET = "whsec_" + base64.b64encode(b"0123456789" * 3).decode()


def only_stream(folder: Path, secret: str, **environ: str) -> EventStream:
    toml = (
        '[[event_streams]]\nid = "s"\n[event_streams.destination]\ntype = "webhook"\n'
        f'url = "https://noc.example.com/hook"\nsecret = "{secret}"\n'
    )
    (stream,) = load(folder, toml, **environ).event_streams
    return stream


def test_a_secret_comes_from_the_environment(tmp_path: Path) -> None:
    stream = only_stream(tmp_path, "env:HOOK", HOOK=f"{SECRET}\n")
    assert stream.destination.secret == SECRET


def test_a_secret_comes_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "hook").write_text(f"{SECRET}\r\n")
    assert only_stream(tmp_path, "file:keys/hook").destination.secret == SECRET
    absolute = tmp_path / "keys" / "hook"
    assert only_stream(tmp_path, f"file:{absolute}").destination.secret == SECRET


@pytest.mark.parametrize(
    ("mode", "exposed"),
    [(0o600, ()), (0o400, ()), (0o640, ("hook",)), (0o604, ("hook",)), (0o666, ("hook",))],
)
def test_a_file_of_a_secret_that_lets_others_in_is_remembered(
    tmp_path: Path, mode: int, exposed: tuple[str, ...]
) -> None:
    file = tmp_path / "hook"
    file.write_text(SECRET)
    file.chmod(mode)
    toml = (
        '[[event_streams]]\nid = "s"\n[event_streams.destination]\ntype = "webhook"\n'
        'url = "https://noc.example.com/hook"\nsecret = "file:hook"\n'
    )
    assert load(tmp_path, toml).exposed_secret_files == exposed
