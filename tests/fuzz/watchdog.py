"""How long one message may keep a parser busy: for ever is a bug like any other.

A limit on processor time, not a measurement: ordinary messages take a ten-thousandth of it, and a
regular expression that tries every way to read a hostile one takes hours.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

__all__ = ["TooBusy", "watched"]

LIMIT_SECONDS: Final = 2.0


class TooBusy(AssertionError):
    """One message took more processor time than any message may."""


@contextmanager
def watched() -> Iterator[Callable[[], None]]:
    """Within the block: what is given is to be called before each message.

    The main thread alone may use it; the signal is SIGVTALRM.
    """
    before = signal.signal(signal.SIGVTALRM, _too_busy)
    try:
        yield _start_again
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)


def _start_again() -> None:
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_SECONDS)


def _too_busy(_: int, __: FrameType | None) -> None:
    raise TooBusy(f"one message took more than {LIMIT_SECONDS:g} s of processor time")
