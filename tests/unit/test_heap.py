from __future__ import annotations

import platform

import psutil

from trunkpulse.adapters.heap import give_back

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
