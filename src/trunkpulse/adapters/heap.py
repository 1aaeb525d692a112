"""The C library's heap: what is free in it goes back to the system.

Starting with many trunks takes memory for a while: rows of the database, lists that grow. The C
library keeps what is freed of it for later, which never comes: 64 bytes a trunk.
"""

from __future__ import annotations

import ctypes

__all__ = ["give_back"]


def give_back() -> bool:
    """Give free memory back; False if there was none, or if this C library is not the GNU one.

    It takes some milliseconds for each 100 MB of heap: not while probes wait.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(0))
