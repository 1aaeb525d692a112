"""How far a start has come, shown: a bar on a terminal, a log line now and then elsewhere.

What is over in the blink of an eye is not shown at all.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import IO, Final

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from trunkpulse.progress import Progress as Watcher
from trunkpulse.progress import Step, unseen

__all__ = ["Logged", "watched"]

log = structlog.get_logger(__name__)

BLINK_SECONDS: Final = 0.5
"""Nobody wants to see a bar that is gone again."""
REFRESH_SECONDS: Final = 0.1
LOG_SECONDS: Final = 2.0
"""Between two log lines, and before the first."""

Now = Callable[[], float]
"""Monotonic seconds."""


@contextlib.contextmanager
def watched(stream: IO[str], *, logged: bool, now: Now = time.monotonic) -> Iterator[Watcher]:
    """What to tell of the progress; until the block ends, a bar stands on a terminal ``stream``.

    Elsewhere there are log lines if they are asked for (``logged``), or nothing.
    """
    if stream.isatty():
        bar = _Bar(stream, now)
        try:
            yield bar
        finally:
            bar.close()
    elif logged:
        yield Logged(now)
    else:
        yield unseen


class Logged:
    """Progress as log lines, one in so many seconds."""

    def __init__(self, now: Now = time.monotonic) -> None:
        self._now = now
        self._due = now() + LOG_SECONDS

    def __call__(self, step: Step, done: int, total: int) -> None:
        moment = self._now()
        if moment >= self._due:
            self._due = moment + LOG_SECONDS
            log.info("loading", step=step.value, done=done, total=total)


class _Bar:
    """Progress as a bar for each step; it goes away once all is started, or when it is closed."""

    def __init__(self, stream: IO[str], now: Now) -> None:
        self._stream = stream
        self._now = now
        self._due = now() + BLINK_SECONDS
        self._bars: Progress | None = None
        self._tasks: dict[Step, TaskID] = {}

    def __call__(self, step: Step, done: int, total: int) -> None:
        is_over = done >= total
        moment = self._now()
        if moment >= self._due or (self._bars is not None and is_over):
            self._due = moment + REFRESH_SECONDS
            self._show(step, done, total)
        if step is Step.STARTING and is_over:
            self.close()  # log lines follow

    def _show(self, step: Step, done: int, total: int) -> None:
        if self._bars is None:
            self._bars = Progress(
                TextColumn("{task.description:<10}"),
                BarColumn(),
                MofNCompleteColumn(separator=" of "),
                TextColumn("trunks"),
                console=Console(file=self._stream),
                # Refreshed from here: a thread of its own would take turns with the loading.
                auto_refresh=False,
                transient=True,
            )
            self._bars.start()
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(step.value, total=total)
        self._bars.update(self._tasks[step], completed=done, total=total)
        self._bars.refresh()

    def close(self) -> None:
        """Take the bars away; safe to repeat."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
            self._tasks.clear()
