"""What the figures of a run depend on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

from trunkpulse import __version__

__all__ = ["Facts", "facts_of_this_machine"]

Facts = dict[str, str | int | float]


def facts_of_this_machine() -> Facts:
    """The machine and the versions, without anything that names its owner."""
    facts: Facts = {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "trunkpulse": __version__,
    }
    if program := shutil.which("kamailio"):
        output = subprocess.run([program, "-v"], check=False, capture_output=True, text=True)
        facts["kamailio"] = output.stdout.partition("\n")[0].removeprefix("version: ")
    return facts


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor()
