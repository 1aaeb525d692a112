"""How far a start has come is shown to whoever waits for it, and only to them."""

from __future__ import annotations

import io
import signal
from pathlib import Path

import pytest
import structlog

from benchmarks.configuration import write_configuration
from trunkpulse.app import set_up_logging
from trunkpulse.cli.loading import LOG_SECONDS, Logged, watched
from trunkpulse.progress import Step, unseen
from unit.cli.command_line import process

HEAD = '[api]\nlisten = "127.0.0.1:0"\n[sip]\nlisten = []\n'


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_a_terminal_gets_a_bar_that_goes_away_before_the_log_lines() -> None:
    terminal, now = Terminal(), Hand()
    with watched(terminal, logged=True, now=now) as progress:
        for step in Step:
            for done in (0, 250_000, 1_000_000):
                progress(step, done, 1_000_000)
                now.seconds += 1
        shown = terminal.getvalue()
        for step in Step:
            assert f"{step.value} " in shown
        assert " 250000 of 1000000" in shown
        assert shown.endswith("\x1b[2K")  # the last line of it is wiped out


def test_a_log_line_while_the_bar_stands_has_a_line_to_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal, now = Terminal(), Hand()
    monkeypatch.setattr("sys.stderr", terminal)
    before = structlog.get_config()
    try:
        set_up_logging()
        with watched(terminal, logged=True, now=now) as progress:
            now.seconds += 1
            progress(Step.READING, 1, 3)
            structlog.get_logger().info("store.schema_upgraded")
            above, _, text = terminal.getvalue().partition("store.schema_upgraded")
    finally:
        structlog.configure(**before)
    cleared, _, beginning = above.rpartition("\x1b[2K")
    assert "1 of 3" in cleared
    assert "trunks" not in beginning
    end_of_line, bar, _ = text.partition("reading ")
    assert "\n" in end_of_line
    assert bar  # it stands again, below


def test_what_is_over_at_once_is_not_shown() -> None:
    terminal, now = Terminal(), Hand()
    with watched(terminal, logged=True, now=now) as progress:
        for step in Step:
            progress(step, 3, 3)
            now.seconds += 0.1
    assert terminal.getvalue() == ""


def test_an_error_takes_the_bar_away() -> None:
    terminal, now = Terminal(), Hand()

    def read() -> None:
        with watched(terminal, logged=True, now=now) as progress:
            now.seconds += 1
            progress(Step.READING, 1, 3)
            raise OSError

    with pytest.raises(OSError):
        read()
    assert terminal.getvalue().endswith("\x1b[2K")


def test_elsewhere_there_is_a_log_line_now_and_then() -> None:
    now = Hand()
    with structlog.testing.capture_logs() as lines:
        progress = Logged(now)
        for done in range(10):
            progress(Step.RESTORING, done, 10)
            now.seconds += LOG_SECONDS / 2
    assert [line["done"] for line in lines] == [2, 4, 6, 8]
    assert lines[0] == {
        "event": "loading",
        "log_level": "info",
        "step": "restoring",
        "done": 2,
        "total": 10,
    }


def test_a_command_whose_output_is_not_for_a_person_shows_nothing() -> None:
    with watched(io.StringIO(), logged=False) as progress:
        assert progress is unseen


async def test_a_service_with_many_trunks_starts_again_with_their_states(tmp_path: Path) -> None:
    file = tmp_path / "many.toml"
    write_configuration(file, 7_000, port=9, head=HEAD)
    for _ in range(2):
        async with process("serve", "-c", str(file), "--data", str(tmp_path)) as child:
            assert child.stderr is not None
            while b"event=ready" not in (line := await child.stderr.readline()):
                assert line
            assert b"trunks=7000" in line
            child.send_signal(signal.SIGTERM)
            assert await child.wait() == 0
