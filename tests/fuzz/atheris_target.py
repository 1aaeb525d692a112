"""Coverage-guided fuzzing: libFuzzer, through atheris, looks for inputs that reach new code.

Started as a program of its own, with libFuzzer's options and a folder of inputs to begin with:

    python tests/fuzz/atheris_target.py -runs=100000 -seed=1 folder

The first byte of an input chooses the oracle, the rest is what the oracle is given. The process
ends with libFuzzer's report, the bytes among it, if any oracle is broken.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

# It has no types, and not every platform has it.
atheris: Any = import_module("atheris")

# Only what is first imported here is watched for new paths.
with atheris.instrument_imports(include=["trunkpulse.sip"]):
    from fuzz.oracles import ORACLES


def check_one(data: bytes) -> None:
    """One input of libFuzzer's."""
    if data:
        ORACLES[data[0] % len(ORACLES)](data[1:])


def main() -> None:
    """Fuzz until libFuzzer has had enough; it ends the process itself."""
    atheris.Setup(sys.argv, check_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
