"""What of a defect is said in the log."""

from __future__ import annotations

import io

import pytest
import structlog

from trunkpulse.app import set_up_logging


class Stream(io.StringIO):
    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def fail(password: str) -> None:
    raise ValueError(f"there are {len(password)} characters")


@pytest.mark.parametrize("reader", ["person", "machine"])
def test_a_defect_is_told_with_its_traceback_and_without_the_values_of_variables(
    monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    stream = Stream(is_terminal=reader == "person")
    monkeypatch.setattr("sys.stderr", stream)
    before = structlog.get_config()
    try:
        set_up_logging()
        try:
            fail("hush" * 3)
        except ValueError:
            structlog.get_logger().exception("delivery.sink_failed", stream="noc")
    finally:
        structlog.configure(**before)
    written = stream.getvalue()
    assert "delivery.sink_failed" in written
    assert "in fail" in written
    assert "there are 12 characters" in written
    assert "hushhushhush" not in written
    if reader == "machine":
        assert written.count("\n") == 1
