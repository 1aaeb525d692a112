"""The probers that are measured, each a process (or several) of its own.

Every function starts what it needs, measures, and ends what it started by its process id, also
when it is interrupted. What cannot be measured raises ``NotMeasured`` with the reason.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.load import Load, Measurement, target_uri

__all__ = ["Cores", "NotMeasured", "build", "c_floor", "kamailio", "responder", "trunkpulse"]

HERE = Path(__file__).parent
ROOT = HERE.parent
END_SECONDS = 5.0
"""How long a process may take to end before it is killed."""
START_SECONDS = 15.0

KAMAILIO_CONFIGURATION = """
debug=0
log_stderror=yes
fork=yes
children=1
listen=udp:127.0.0.1:{port}
disable_tcp=yes
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "ctl.so"
loadmodule "dispatcher.so"
modparam("ctl", "binrpc", "unix:{folder}/rpc")
modparam("dispatcher", "list_file", "{folder}/list")
modparam("dispatcher", "ds_ping_interval", {interval})
modparam("dispatcher", "ds_probing_mode", 1)
modparam("dispatcher", "ds_probing_threshold", 3)
modparam("dispatcher", "ds_ping_latency_stats", 1)
request_route {{ exit; }}
"""


class NotMeasured(Exception):
    """A prober cannot be measured here; the message is one sentence."""


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


# --- processes -----------------------------------------------------------------------------


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


def measured(command: Sequence[str], core: int | None, deadline_seconds: float) -> Measurement:
    """Run a prober that prints its measurement."""
    name = Path(command[0]).name
    with running(command, core=core) as process:
        try:
            output, _ = process.communicate(timeout=deadline_seconds)
        except subprocess.TimeoutExpired:
            raise NotMeasured(f"{name} had not finished after {deadline_seconds:.0f} s.") from None
        if process.returncode != 0:
            raise NotMeasured(f"{name} ended with exit code {process.returncode}; see above.")
    return Measurement(**json.loads(output))


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


@contextmanager
def responder(program: Path, cores: Cores) -> Iterator[int]:
    """The answering side; gives its UDP port."""
    with running([str(program)], core=cores.answering) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise NotMeasured("The responder did not start; see above.")
        yield int(line)


# --- the probers ---------------------------------------------------------------------------


def trunkpulse(load: Load, port: int, cores: Cores, profile: str | None = None) -> Measurement:
    """The real engine; see benchmarks/engine.py."""
    command = [sys.executable, "-m", "benchmarks.engine", "--port", str(port)]
    command += ["--targets", str(load.targets), "--interval", str(load.interval_seconds)]
    command += ["--seconds", str(load.seconds)]
    if profile is not None:
        command += ["--profile", profile]
    deadline = START_SECONDS + 5 * load.interval_seconds + load.seconds
    return measured(command, cores.probing, deadline)


def c_floor(load: Load, port: int, cores: Cores, program: Path) -> Measurement:
    """The least that it can cost; see benchmarks/floor.c."""
    words = [port, load.targets, load.interval_seconds, load.seconds]
    command = [str(program), *map(str, words)]
    return measured(command, cores.probing, START_SECONDS + load.seconds)


def kamailio(load: Load, port: int, cores: Cores) -> Measurement:
    """Kamailio's dispatcher with the same targets and interval, latency statistics on."""
    program, remote = shutil.which("kamailio"), shutil.which("kamcmd")
    if program is None or remote is None or sys.platform != "linux":
        raise NotMeasured("Not installed, or not on Linux (Debian: kamailio).")
    with TemporaryDirectory(prefix="trunkpulse-") as name:
        folder = Path(name)
        lines = [f"1 {target_uri(index, port)} 0 0\n" for index in range(load.targets)]
        (folder / "list").write_text("".join(lines))
        configuration = KAMAILIO_CONFIGURATION.format(
            port=free_port(), folder=folder, interval=round(load.interval_seconds)
        )
        (folder / "kamailio.cfg").write_text(configuration)
        command = [program, "-DD", "-E", "-m", "1024", "-M", "64", "-P", f"{folder}/pid"]
        command += ["-Y", name, "-f", f"{folder}/kamailio.cfg"]
        with running(command, core=cores.probing, errors=folder / "log") as process:
            rpc = KamailioCounters(remote, f"unix:{folder}/rpc")
            rpc.wait_until_up(process, folder / "log")
            time.sleep(load.interval_seconds + 1.0)  # the first round is not like the others
            before, cpu = rpc.settled(load), cpu_seconds_of_family(process.pid)
            time.sleep(load.seconds)
            after, cpu = rpc.settled(load), cpu_seconds_of_family(process.pid) - cpu
    # What is still under way is neither answered nor lost: only what has ended counts as sent.
    answered = after.answered - before.answered
    gave_up = after.gave_up - before.gave_up
    return Measurement(sent=answered + gave_up, answered=answered, cpu_seconds=cpu)


def free_port() -> int:
    """A UDP port of 127.0.0.1 that nobody has just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Counters:
    """Kamailio's transactions since its start."""

    created: int
    answered: int
    """With a 2xx."""
    gave_up: int
    """With a 408 of its own, or refused."""


@dataclass(frozen=True, slots=True)
class KamailioCounters:
    """Asks Kamailio over its RPC socket."""

    program: str
    place: str

    def wait_until_up(self, process: subprocess.Popen[str], log: Path) -> None:
        """Return once it answers."""
        deadline = time.monotonic() + START_SECONDS
        while self._ask() is None:
            if process.poll() is not None or time.monotonic() > deadline:
                last = (log.read_text(errors="replace").strip().splitlines() or ["no message"])[-1]
                raise NotMeasured(f"Kamailio did not start: {last}")
            time.sleep(0.1)

    def settled(self, load: Load) -> Counters:
        """The counters between two bursts, or at the latest after one interval."""
        deadline = time.monotonic() + load.interval_seconds
        while True:
            counters = self._ask()
            if counters is None:
                raise NotMeasured("Kamailio stopped answering while it was measured.")
            rest = counters.created - counters.answered - counters.gave_up
            if rest == 0 or time.monotonic() > deadline:
                return counters
            time.sleep(0.05)

    def _ask(self) -> Counters | None:
        outcome = subprocess.run(
            [self.program, "-s", self.place, "tm.stats"],
            check=False,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
        )
        found: dict[str, int] = {}
        for line in outcome.stdout.splitlines():
            key, colon, value = line.strip().partition(":")
            if colon and value.strip().isdigit():
                found[key.strip()] = int(value)
        if "created" not in found:
            return None
        return Counters(found["created"], found["2xx"], found["4xx"] + found["5xx"])


def cpu_seconds_of_family(parent: int) -> float:
    """User and system time of a process and its children, from /proc (proc(5))."""
    ticks = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # The name, second, is in parentheses and may hold anything.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        if int(folder.name) == parent or int(fields[1]) == parent:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def end_on_sigterm() -> None:
    """Have SIGTERM unwind the program as Ctrl-C does, so that what it started is ended."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
