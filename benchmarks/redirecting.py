"""Calls that ask where to go: the whole service beside Kamailio, which answers from a list.

Both get the same calls from the same program (``caller.c``), as many a second as the bar says, and
then as many as they can take. Ours decides each by a thousand routes and the states of 400 trunks,
which it probes meanwhile; Kamailio takes the next of 400 destinations, none of which it probes.
"""

from __future__ import annotations

import shutil
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.load import target_uri
from benchmarks.processes import Cores, NotMeasured, free_port, printed, running
from benchmarks.serving import serving

__all__ = ["CALLS_PER_SECOND", "Redirected", "redirected_by_kamailio", "redirected_by_us"]

CALLS_PER_SECOND = 5_000
ROUTES = 1_000
TRUNKS = 400
TRUNKS_PER_ROUTE = 4
START_SECONDS = 60.0
READY_SECONDS = 30.0

HEAD = """\
[instance]
id = "redirecting"
[api]
listen = "127.0.0.1:0"
[sip]
listen = ["udp:127.0.0.1:{port}"]
calls_per_second = 1000000
[keepalive]
interval_seconds = 2
"""

KAMAILIO_CONFIGURATION = """
debug=0
log_stderror=yes
children=1
listen=udp:127.0.0.1:{port}
disable_tcp=yes
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "dispatcher.so"
modparam("dispatcher", "list_file", "{folder}/list")
request_route {{
    if (is_method("INVITE")) {{
        ds_select_domain("1", "4");
        sl_send_reply("302", "Moved Temporarily");
    }}
    exit;
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirected:
    """What one redirect server did."""

    calls_per_second: float
    """As many as it could take."""
    p99_seconds: float
    """Of an answer, at ``CALLS_PER_SECOND``."""
    lost: int
    """Calls at that rate that were not redirected."""


def redirected_by_us(caller: Path, far_port: int, cores: Cores, seconds: float) -> Redirected:
    """The service, with trunks at ``far_port`` that answer its probes."""
    with TemporaryDirectory(prefix="trunkpulse-") as name:
        folder, port = Path(name), free_port()
        file = folder / "routes.toml"
        file.write_text(_configuration(port, far_port), encoding="utf-8")
        with serving(file, folder / "data", cores.probing, START_SECONDS) as service:
            _wait_until_available(service.url, service.token)
            return _asked(caller, port, cores, seconds)


def redirected_by_kamailio(caller: Path, cores: Cores, seconds: float) -> Redirected:
    """Kamailio with one worker and as many destinations."""
    program = shutil.which("kamailio")
    if program is None or sys.platform != "linux":
        raise NotMeasured("Not installed, or not on Linux (Debian: kamailio).")
    with TemporaryDirectory(prefix="trunkpulse-") as name:
        folder, port = Path(name), free_port()
        uris = [target_uri(index, port) for index in range(TRUNKS)]
        (folder / "list").write_text("".join(f"1 {uri} 0 0\n" for uri in uris))
        config = folder / "kamailio.cfg"
        config.write_text(KAMAILIO_CONFIGURATION.format(port=port, folder=folder))
        command = [program, "-DD", "-E", "-m", "64", "-M", "16", "-P", f"{folder}/pid"]
        command += ["-Y", name, "-f", str(config)]
        with running(command, core=cores.probing, errors=folder / "log"):
            _wait_until_answered(caller, port, cores)
            return _asked(caller, port, cores, seconds)


def _configuration(port: int, far_port: int) -> str:
    return "\n".join([HEAD.format(port=port), *_trunks(far_port), *_routes()])


def _trunks(far_port: int) -> Iterator[str]:
    for index in range(TRUNKS):
        yield f'[[trunks]]\nid = "trunk-{index}"\ntargets = ["{target_uri(index, far_port)}"]'


def _routes() -> Iterator[str]:
    """Routes of all lengths of prefix: each number is within several."""
    for index in range(ROUTES):
        digits = str(1_000 + index)[: 2 + index % 3]
        members = ", ".join(
            f'{{ id = "trunk-{(index * TRUNKS_PER_ROUTE + place) % TRUNKS}", '
            f"priority = {1 + place // 2}, weight = 50 }}"
            for place in range(TRUNKS_PER_ROUTE)
        )
        numbers = f'"+{digits}{index:03}", "+{digits}"'
        yield f'[[routes]]\nid = "route-{index}"\nnumbers = [{numbers}]\ntrunks = [{members}]'


def _wait_until_available(url: str, token: str) -> None:
    wanted = f'trunkpulse_trunks{{state="AVAILABLE"}} {TRUNKS}.0'
    request = urllib.request.Request(f"{url}/metrics", headers={"authorization": f"Bearer {token}"})
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with urllib.request.urlopen(request, timeout=READY_SECONDS) as answer:
            if wanted in answer.read().decode():
                return
        time.sleep(0.5)
    raise NotMeasured(f"Not all of {TRUNKS} trunks were available after {READY_SECONDS:.0f} s.")


def _wait_until_answered(caller: Path, port: int, cores: Cores) -> None:
    for _ in range(20):
        if _call(caller, port, cores, 10, 0.2)["redirected"]:
            return
    raise NotMeasured("Kamailio did not redirect a single call.")


def _asked(caller: Path, port: int, cores: Cores, seconds: float) -> Redirected:
    _call(caller, port, cores, CALLS_PER_SECOND, 1.0)  # the first calls are not like the others
    steady = _call(caller, port, cores, CALLS_PER_SECOND, seconds)
    most = _call(caller, port, cores, 0, seconds)
    return Redirected(
        calls_per_second=most["calls_per_second"],
        p99_seconds=steady["p99_seconds"],
        lost=int(steady["sent"] - steady["redirected"]),
    )


def _call(
    caller: Path, port: int, cores: Cores, calls_per_second: int, seconds: float
) -> dict[str, float]:
    words: Sequence[object] = (port, calls_per_second, seconds)
    found: dict[str, float] = printed(
        [str(caller), *map(str, words)], cores.answering, seconds + 30
    )
    return found
