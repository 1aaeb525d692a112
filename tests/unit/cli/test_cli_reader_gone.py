"""A reader that hangs up (``| head``) ends the command, at once and without a traceback."""

import subprocess
import sys

import pytest

from interop.peers.ports import free_port

PROGRAM = (sys.executable, "-m", "trunkpulse")


def reading_one_line_of(*command: str) -> tuple[int, str]:
    """The exit code and standard error of a command whose reader leaves after one line."""
    with subprocess.Popen(
        (*PROGRAM, *command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        return process.wait(), said


@pytest.mark.timeout(60)
def test_probe_ends_when_its_reader_has_gone() -> None:
    port = str(free_port("127.0.0.1"))
    place = f"udp:127.0.0.1:{port}"
    with subprocess.Popen(
        (*PROGRAM, "respond", "--listen", place), stdout=subprocess.PIPE, text=True
    ) as far_side:
        try:
            assert far_side.stdout is not None
            assert far_side.stdout.readline()
            code, said = reading_one_line_of(
                "probe", f"sip:127.0.0.1:{port}", "--count", "1000", "--interval", "0.1"
            )
        finally:
            far_side.terminate()
    assert code != 0
    assert "Traceback" not in said


@pytest.mark.timeout(60)
def test_respond_ends_when_its_reader_has_gone() -> None:
    port = str(free_port("127.0.0.1"))
    with subprocess.Popen(
        (*PROGRAM, "probe", f"sip:127.0.0.1:{port}", "--count", "200", "--interval", "0.1"),
        stdout=subprocess.DEVNULL,
    ) as asking:
        try:
            code, said = reading_one_line_of("respond", "-v", "--listen", f"udp:127.0.0.1:{port}")
        finally:
            asking.terminate()
    assert code != 0
    assert "Traceback" not in said
