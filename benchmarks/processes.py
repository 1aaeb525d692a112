"""Starting, pinning and ending the processes that are measured.

Whatever is started here is ended by its process id, also when the run is interrupted.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

__all__ = [
    "ROOT",
    "Cores",
    "NotMeasured",
    "build",
    "end_on_sigterm",
    "free_port",
    "only_warnings",
    "printed",
    "python",
    "reading_of",
    "running",
]

HERE = Path(__file__).parent
ROOT = HERE.parent
END_SECONDS = 15.0
"""How long a process may take to end before it is killed."""


class NotMeasured(Exception):
    """Something cannot be measured here; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Where processes run; None leaves it to the system."""

    probing: int | None
    answering: int | None

    @classmethod
    def of_this_machine(cls) -> Cores:
        """One core for each side, if there are two and processes can be pinned."""
        if sys.platform != "linux":
            return cls(None, None)
        usable = sorted(os.sched_getaffinity(0))
        return cls(usable[0], usable[1]) if len(usable) > 1 else cls(None, None)


@contextmanager
def running(
    command: Sequence[str], *, core: int | None, errors: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """The command as a process on ``core``, ended with the block."""
    # A child starts where its parent may run, which needs no other program to arrange.
    everywhere = os.sched_getaffinity(0) if core is not None else set()
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        with errors.open("w") if errors else nullcontext() as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                env=_as_installed(os.environ),
                start_new_session=True,  # Ctrl-C reaches us alone, and we end it in order
            )
    finally:
        if core is not None:
            os.sched_setaffinity(0, everywhere)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _as_installed(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` without what would have each start compile all modules anew."""
    return {name: value for name, value in environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def printed(command: Sequence[str], core: int | None, deadline_seconds: float) -> Any:
    """Run a program that prints one JSON object, and give that."""
    name = " ".join(command[1:3]) if command[0] == sys.executable else Path(command[0]).name
    with running(command, core=core) as process:
        try:
            output, _ = process.communicate(timeout=deadline_seconds)
        except subprocess.TimeoutExpired:
            raise NotMeasured(f"{name} had not finished after {deadline_seconds:.0f} s.") from None
        return reading_of(name, output, process.returncode)


def reading_of(name: str, output: str, code: int) -> Any:
    """The JSON object that a program that has ended printed."""
    if code != 0:
        raise NotMeasured(f"{name} ended with exit code {code}; see above.")
    return json.loads(output)


def python(module: str, *words: object) -> list[str]:
    """The command line of a module of ours."""
    return [sys.executable, "-m", module, *map(str, words)]


def build(name: str, folder: Path) -> Path:
    """Compile ``benchmarks/NAME.c`` into ``folder``."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise NotMeasured("There is no C compiler (cc or gcc).")
    program = folder / name
    outcome = subprocess.run(
        [compiler, "-O2", "-o", str(program), str(HERE / f"{name}.c")],
        check=False,
        capture_output=True,
        text=True,
    )
    if outcome.returncode != 0:
        raise NotMeasured(f"benchmarks/{name}.c does not compile here: {outcome.stderr.strip()}")
    return program


def free_port() -> int:
    """A UDP port of 127.0.0.1 that nobody has just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def end_on_sigterm() -> None:
    """Have SIGTERM unwind the program as Ctrl-C does, so that what it started is ended."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def only_warnings() -> None:
    """Have the service say nothing on standard error but what is wrong."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
