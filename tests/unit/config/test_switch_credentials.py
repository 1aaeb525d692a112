"""Who a switch is told by: what has to be written, and what must not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkpulse.config import Config, ConfigError, load_config

SECRETS = {"SECRET": "hush-hush"}
PASSWORD = 'password = "env:SECRET"\n'


def loaded(folder: Path, kind: str, url: str, text: str) -> Config:
    file = folder / "trunkpulse.toml"
    file.write_text(f'[[switches]]\nid = "pbx"\ntype = "{kind}"\nurl = "{url}"\n{text}')
    return load_config(file, SECRETS)


@pytest.mark.parametrize(
    ("kind", "url", "text"),
    [
        ("freeswitch", "tcp:127.0.0.1:8021", PASSWORD),
        ("freeswitch", "tcp:127.0.0.1:8021", f'username = "trunkpulse@default"\n{PASSWORD}'),
        ("asterisk", "tcp:127.0.0.1:5038", f'username = "trunkpulse"\n{PASSWORD}'),
        ("opensips", "http://127.0.0.1:8888/mi", ""),
        ("opensips", "https://127.0.0.1/mi", f'username = "trunkpulse"\n{PASSWORD}'),
        ("opensips", "udp:127.0.0.1:8080", ""),
    ],
)
def test_what_a_switch_needs_is_taken(tmp_path: Path, kind: str, url: str, text: str) -> None:
    config = loaded(tmp_path, kind, url, text)
    assert config.switches[0].password == ("hush-hush" if text else None)
    assert "hush-hush" not in repr(config)


@pytest.mark.parametrize(
    ("kind", "url", "text", "sentence"),
    [
        (
            "freeswitch",
            "tcp:127.0.0.1:8021",
            f'username = "trunkpulse"\n{PASSWORD}',
            "username must be NAME@DOMAIN of its directory with type freeswitch.",
        ),
        (
            "asterisk",
            "tcp:127.0.0.1:5038",
            'username = "trunkpulse"\n',
            "password must be given with type asterisk.",
        ),
        (
            "asterisk",
            "tcp:127.0.0.1:5038",
            "",
            "username must be given with type asterisk.",
        ),
        (
            "opensips",
            "udp:127.0.0.1:8080",
            f'username = "trunkpulse"\n{PASSWORD}',
            'username must be left out with "udp:", which asks for none.',
        ),
    ],
)
def test_what_does_not_go_together_is_said(
    tmp_path: Path, kind: str, url: str, text: str, sentence: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, kind, url, text)
    key, _, predicate = sentence.partition(" ")
    assert f"switches[0].{key}" in str(caught.value)
    assert predicate in str(caught.value)
