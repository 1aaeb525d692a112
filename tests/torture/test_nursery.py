"""Whatever becomes of a test run, nothing that it started stays behind."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from nursery import Nursery

TESTS = Path(__file__).parents[1]
PATIENCE_SECONDS = 60
RUN = """
import asyncio, pathlib, sys
from nursery import nursery

async def main():
    with nursery(pathlib.Path(sys.argv[1])):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_all_lives_end_with_a_test_run_that_is_killed(tmp_path: Path) -> None:
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUN, tmp_path),
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert run.stdout is not None
    assert run.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await run.stdout.readline() == b"ready\n"
            listening = ["respond", "--listen", "udp:127.0.0.1:0"]
            forks = Nursery(tmp_path / "nursery")
            life = await forks.spawn(listening, os.environ, folder=tmp_path)
    finally:
        run.kill()
    async with asyncio.timeout(PATIENCE_SECONDS):
        # Each of them holds one of these until it has ended.
        async for _ in life.stdout:
            pass
        await life.wait()
        assert await run.stderr.read() == b""
        await run.wait()
