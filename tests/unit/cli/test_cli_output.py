from __future__ import annotations

import asyncio
import os
import pty
from pathlib import Path

import pytest

from trunkpulse.cli import output
from trunkpulse.cli.program import run
from unit.cli.command_line import PROGRAM, command

CONFIG = '[[trunks]]\nid = "a"\ntargets = ["sip:192.0.2.1"]\n'


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"), (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"),
        (5400, "1 h 30 min"), (47 * 3600, "47 h"), (48 * 3600, "2 days"), (10 * 86400, "10 days"),
    ],
)  # fmt: skip
def test_durations_are_told_as_a_person_says_them(seconds: float, words: str) -> None:
    assert output.spoken(seconds) == words
    assert output.for_how_long(1_000.0, now=1 + seconds) == f"for {words}"
    assert output.ago(1_000.0, now=1 + seconds) == f"{words} ago"


def test_what_never_happened_has_no_age() -> None:
    assert output.for_how_long(None) == ""
    assert output.ago(None) == "never"


def test_a_moment_beyond_the_calendar_is_still_printed() -> None:
    assert output.clock_time(1e30).endswith(" ms")


def test_a_piped_table_is_aligned_and_keeps_long_values_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = "x" * 300
    output.print_table(("id", "name"), [("a", long), ("bbb", "日本"), ("c", "[red]")], none="")
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["ID   NAME", f"a    {long}", "bbb  日本", "c    [red]"]


def test_control_characters_are_shown_not_sent(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_line("a\x1b[31m\n", output.paint("b\r", "red"))
    output.complain("c\x07")
    said = capsys.readouterr()
    assert said.out == "a\\x1b[31m\\nb\\r\n"
    assert said.err == "c\\x07\n"


async def on_a_terminal(*arguments: str, **environment: str) -> str:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    try:
        child = await asyncio.create_subprocess_exec(
            *PROGRAM,
            *arguments,
            stdout=theirs,
            env={**os.environ, "TERM": "xterm-256color", **environment},
        )
        await child.wait()
        return os.read(ours, 65_536).decode()
    finally:
        os.close(ours)
        os.close(theirs)


async def test_colours_are_for_terminals_that_want_them(tmp_path: Path) -> None:
    file = tmp_path / "trunkpulse.toml"
    file.write_text(CONFIG)
    assert "\x1b[32mvalid\x1b[0m" in await on_a_terminal("check", str(file))
    plain = await on_a_terminal("check", str(file), NO_COLOR="1")
    assert plain.endswith(": valid\r\n")
    assert "\x1b[3" not in plain


async def test_the_version_is_told() -> None:
    outcome = await command("--version")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("trunkpulse ")


@pytest.mark.parametrize("arguments", [[], ["trunks"], ["routes"], ["events"], ["streams"]])
async def test_nothing_asked_for_shows_the_help_and_is_exit_2(arguments: list[str]) -> None:
    outcome = await command(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "Commands:" in outcome.err


@pytest.mark.parametrize("arguments", [["reboot"], ["trunks", "explode"], ["--fast"]])
async def test_an_unknown_command_is_one_sentence(arguments: list[str]) -> None:
    outcome = await command(*arguments)
    assert outcome.code == 2
    assert arguments[-1] in outcome.complaint
    assert "--help' says how it goes." in outcome.complaint


def test_a_reader_that_went_before_the_last_flush_is_exit_141(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        monkeypatch.setattr("sys.stdout", gone)
        assert run(["--version"]) == 141
        monkeypatch.undo()
