"""Kamailio's dispatcher as a prober: the same targets, the same interval."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.load import Load, Measurement, target_uri
from benchmarks.processes import Cores, NotMeasured, free_port, running

__all__ = ["kamailio", "moment_of_inactive"]

START_SECONDS = 15.0
LOOK_SECONDS = 0.25
FLAGS = re.compile(r"\bFLAGS: (\w+)")

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


def kamailio(load: Load, port: int, cores: Cores) -> Measurement:
    """Kamailio's dispatcher with the same targets and interval, latency statistics on."""
    uris = [target_uri(index, port) for index in range(load.targets)]
    with dispatcher(uris, round(load.interval_seconds), cores.probing) as (pid, rpc):
        time.sleep(load.interval_seconds + 1.0)  # the first round is not like the others
        before, cpu = rpc.settled(load), cpu_seconds_of_family(pid)
        time.sleep(load.seconds)
        after, cpu = rpc.settled(load), cpu_seconds_of_family(pid) - cpu
    # What is still under way is neither answered nor lost: only what has ended counts as sent.
    answered = after.answered - before.answered
    gave_up = after.gave_up - before.gave_up
    return Measurement(sent=answered + gave_up, answered=answered, cpu_seconds=cpu)


def moment_of_inactive(uri: str, give_up: threading.Event) -> float | None:
    """Watch one destination every 30 s until it is inactive; the monotonic moment.

    None if somebody sets ``give_up`` first.
    """
    with dispatcher([uri], 30, None) as (_, rpc):
        while not give_up.wait(LOOK_SECONDS):
            if rpc.is_inactive():
                return time.monotonic()
    return None


@contextmanager
def dispatcher(
    uris: Sequence[str], interval: int, core: int | None
) -> Iterator[tuple[int, KamailioCounters]]:
    """Kamailio with these destinations; gives its process id and its RPC."""
    program, remote = shutil.which("kamailio"), shutil.which("kamcmd")
    if program is None or remote is None or sys.platform != "linux":
        raise NotMeasured("Not installed, or not on Linux (Debian: kamailio).")
    with TemporaryDirectory(prefix="trunkpulse-") as name:
        folder = Path(name)
        (folder / "list").write_text("".join(f"1 {uri} 0 0\n" for uri in uris))
        configuration = KAMAILIO_CONFIGURATION.format(
            port=free_port(), folder=folder, interval=interval
        )
        (folder / "kamailio.cfg").write_text(configuration)
        command = [program, "-DD", "-E", "-m", "1024", "-M", "64", "-P", f"{folder}/pid"]
        command += ["-Y", name, "-f", f"{folder}/kamailio.cfg"]
        with running(command, core=core, errors=folder / "log") as process:
            rpc = KamailioCounters(remote, f"unix:{folder}/rpc")
            rpc.wait_until_up(process, folder / "log")
            yield process.pid, rpc


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

    def is_inactive(self) -> bool:
        """True once the first destination is no longer used (flags I: inactive, D: disabled)."""
        found = FLAGS.search(self._call("dispatcher.list"))
        return found is not None and found[1][0] in "ID"

    def _call(self, method: str) -> str:
        try:
            outcome = subprocess.run(
                [self.program, "-s", self.place, method],
                check=False,
                capture_output=True,
                text=True,
                timeout=START_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise NotMeasured("Kamailio was too busy to say what it had done.") from None
        return outcome.stdout

    def _ask(self) -> Counters | None:
        found: dict[str, int] = {}
        for line in self._call("tm.stats").splitlines():
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
