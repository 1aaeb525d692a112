"""Which service a command means, by what is said on its command line and around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkpulse.adapters.machine_token import MachineToken
from trunkpulse.cli.errors import WrongUsage
from trunkpulse.cli.whereabouts import Asked, Whereabouts

HERE = MachineToken("http://127.0.0.1:18080", "tpm_here")
CONFIG = '[api]\nlisten = "127.0.0.1:0"\n'


def asked(
    *, url: str | None = None, token: str | None = None, data: Path | None = None
) -> Whereabouts:
    return Whereabouts.of(Asked(url=url, token=token, config=None, data=data).or_by_environment())


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that the environment names, of a service that runs."""
    file = tmp_path / "trunks.toml"
    file.write_text(CONFIG)
    monkeypatch.setenv("TRUNKPULSE_CONFIG", str(file))
    return file


def test_a_file_around_the_command_finds_the_service_and_gets_in(config: Path) -> None:
    with HERE.in_file(config.with_name("machine.token")):
        assert asked() == Whereabouts(HERE.url, HERE.token)


def test_a_file_around_the_command_that_is_not_there_is_named_with_its_variable(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(config.parent)
    monkeypatch.setenv("TRUNKPULSE_CONFIG", "elsewhere/trunks.toml")
    with pytest.raises(WrongUsage, match="TRUNKPULSE_CONFIG names elsewhere/trunks"):
        asked()


@pytest.mark.parametrize("said", ["--url", "--token", "TRUNKPULSE_URL", "TRUNKPULSE_TOKEN"])
def test_whoever_says_more_means_another_service(
    config: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    with HERE.in_file(config.with_name("machine.token")):
        if said.startswith("TRUNKPULSE"):
            monkeypatch.setenv(said, "http://192.0.2.1" if said.endswith("URL") else "abc")
            found = asked()
        elif said == "--url":
            found = asked(url="http://192.0.2.1")
        else:
            found = asked(token="abc")
        assert found.token != HERE.token
        assert found.url != HERE.url


def test_another_data_folder_is_not_overruled(config: Path, tmp_path: Path) -> None:
    there = MachineToken("http://127.0.0.1:28080", "tpm_there")
    folder = tmp_path / "there"
    folder.mkdir()
    with (
        HERE.in_file(config.with_name("machine.token")),
        there.in_file(folder / "machine.token"),
    ):
        assert asked(data=folder) == Whereabouts(there.url, there.token)


@pytest.mark.parametrize(
    ("url", "is_sent"),
    [
        ("http://192.0.2.1:8080", False),
        ("http://pbx.example.com", False),
        ("https://pbx.example.com", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("http://localhost:8080", True),
    ],
)
@pytest.mark.parametrize("around", [False, True])
def test_a_token_never_goes_out_in_the_clear(
    monkeypatch: pytest.MonkeyPatch, url: str, *, is_sent: bool, around: bool
) -> None:
    if around:
        monkeypatch.setenv("TRUNKPULSE_TOKEN", "abc")
    token = None if around else "abc"
    if is_sent:
        assert asked(url=url, token=token) == Whereabouts(url, "abc")
        return
    with pytest.raises(WrongUsage, match=r"in the clear.*use https://\.$"):
        asked(url=url, token=token)


def test_without_a_token_nothing_is_given_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRUNKPULSE_TOKEN", raising=False)
    assert asked(url="http://192.0.2.1") == Whereabouts("http://192.0.2.1", None)
