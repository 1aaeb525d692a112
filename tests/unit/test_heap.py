from __future__ import annotations

import platform
import sys
from pathlib import Path

import psutil

from trunkpulse.adapters.heap import give_back, take_large_pages

BLOCK_BYTES = 4096
BLOCKS = 10_000


def test_what_is_free_is_given_back_where_the_c_library_keeps_it() -> None:
    blocks = [bytearray(b"x") * BLOCK_BYTES for _ in range(BLOCKS)]
    del blocks[:-1]  # the last one holds all the others in the heap
    kept = psutil.Process().memory_info().rss
    given_back = give_back()
    left = psutil.Process().memory_info().rss
    is_gnu = platform.libc_ver()[0] == "glibc"
    assert given_back is is_gnu
    if is_gnu:
        assert kept - left > BLOCKS * BLOCK_BYTES / 2


def large_pages_bytes() -> int:
    if sys.platform != "linux":
        return 0
    rollup = Path("/proc/self/smaps_rollup").read_text()
    (line,) = [line for line in rollup.splitlines() if line.startswith("AnonHugePages:")]
    return int(line.split()[1]) * 1024


def test_a_large_heap_is_put_into_large_pages_and_a_small_one_is_not() -> None:
    block = bytearray(b"x") * (16 << 20)
    assert take_large_pages(enough_bytes=sys.maxsize) == 0
    before = large_pages_bytes()
    moved = take_large_pages(enough_bytes=1)
    if moved:  # the kernel knows how (Linux 6.1), and may
        assert large_pages_bytes() >= before + moved
    assert block.count(b"x") == len(block)
