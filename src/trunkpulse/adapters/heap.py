"""The heap: what is free in it goes back to the system, and a large one lies in large pages.

Starting with many trunks takes memory for a while: rows of the database, lists that grow. The C
library keeps what is freed of it for later, which never comes: 64 bytes a trunk.

A million targets are a gigabyte of which every byte is looked at twice in half a minute. In pages
of 4 KiB each look begins with a walk through the page tables, a long one on a virtual machine; in
pages of 2 MiB (transparent huge pages, madvise(2)) it does not, and a probe costs a twentieth less.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["give_back", "take_large_pages"]

_MADV_COLLAPSE: Final = 25
"""Linux 6.1, <asm-generic/mman-common.h>: do it now, and say how it went."""
_LARGE_PAGE: Final = 2 << 20
_ENOUGH_BYTES: Final = 512 << 20
"""A heap that is smaller gains less than the room that is lost at the ends of its parts."""


def give_back() -> bool:
    """Give free memory back; False if there was none, or if this C library is not the GNU one.

    It takes some milliseconds for each 100 MB of heap: not while probes wait.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(0))


def take_large_pages(enough_bytes: int = _ENOUGH_BYTES) -> int:
    """Put a heap of ``enough_bytes`` or more into large pages; how many bytes are in them then.

    It takes two seconds for each gigabyte: not while probes wait. 0 where the kernel cannot or may
    not do it.
    """
    if sys.platform != "linux":
        return 0
    parts = list(_parts_of_the_heap())
    if sum(length for _, length in parts) < enough_bytes:
        return 0
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return sum(length for at, length in parts if advise(at, length, _MADV_COLLAPSE) == 0)


def _parts_of_the_heap() -> Iterator[tuple[int, int]]:
    """Where each part begins and how long it is, in whole large pages."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        # Where, "rw-p", an offset, a device and an inode, and then nothing or what it is of.
        place, rights, _, _, inode, *what = line.split(None, 5)
        if rights != "rw-p" or inode != "0" or (what and what[0].strip() != "[heap]"):
            continue
        first, end = (int(each, 16) for each in place.split("-"))
        first = -(-first // _LARGE_PAGE) * _LARGE_PAGE
        end = end // _LARGE_PAGE * _LARGE_PAGE
        if end > first:
            yield first, end - first
