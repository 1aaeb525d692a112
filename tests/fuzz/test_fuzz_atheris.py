"""Inputs that a coverage-guided fuzzer finds; ``conftest.py`` says where it is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from fuzz.corpus import CHALLENGES, CORPUS, STREAMS, VALUES
from fuzz.oracles import (
    ORACLES,
    check_challenge,
    check_diagnosis,
    check_message,
    check_stream,
    check_value,
)

RUNS: Final = int(os.environ.get("TRUNKPULSE_ATHERIS_RUNS", "25000"))
SEED: Final = int(os.environ.get("TRUNKPULSE_FUZZ_SEED", "0"))
TARGET: Final = Path(__file__).with_name("atheris_target.py")
STARTS: Final = (
    *((check_message, data) for data in CORPUS),
    *((check_value, data) for data in VALUES),
    *((check_challenge, data) for data in CHALLENGES),
    *((check_diagnosis, data) for data in CORPUS),
    *((check_stream, data) for data in STREAMS),
)


@pytest.mark.timeout(max(600, RUNS // 100))
def test_inputs_that_reach_new_code_are_read_or_refused_too(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, (check, data) in enumerate(STARTS):
        (corpus / f"{number:04d}").write_bytes(bytes([ORACLES.index(check)]) + data)
    options = [
        "-max_len=4096",
        "-timeout=10",
        "-rss_limit_mb=1024",
        f"-artifact_prefix={tmp_path}/",
    ]
    # libFuzzer takes the seed 0 as leave to choose one of its own.
    finished = subprocess.run(
        [sys.executable, TARGET, f"-runs={RUNS}", f"-seed={SEED + 1}", *options, corpus],
        capture_output=True,
        text=True,
        errors="backslashreplace",
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-5000:]
    assert f"Done {RUNS} runs" in finished.stderr
