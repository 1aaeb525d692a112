"""An event loop on which hours pass in an instant, the same way each time.

When nothing is ready, an ordinary loop sleeps in its selector until the next timer is due. Here
the selector does not sleep: it moves the loop's clock to that moment. Timers, timeouts and
sleeps keep their order and their distances; only the waiting is gone. If nothing is ready and
no timer is set, nothing can ever happen again, and the run ends with `Deadlock`, which says
where each task waits.

The loop answers to itself only. A thread or a socket takes real time, during which this clock
would run ahead, so code under virtual time uses neither.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

__all__ = ["Deadlock", "RanTooLong", "VirtualClock", "VirtualTimeLoop", "run_virtual"]

T = TypeVar("T")

START_SECONDS = 1_000.0
"""The loop's time at its start; not 0, to catch code that takes a moment for a duration."""
WALL_START_SECONDS = 1_700_000_000.0
"""The wall clock at the loop's start."""
LIMIT_SECONDS = 30 * 24 * 3600.0
"""Virtual time that a run may take: periodic work would otherwise go round for ever."""


class Deadlock(RuntimeError):
    """Every task waits for something that nothing is left to bring about."""


class RanTooLong(RuntimeError):
    """The run went past its limit of virtual time."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop whose `time` stands still while something is ready and jumps when nothing is."""

    def __init__(self, *, limit_seconds: float = LIMIT_SECONDS) -> None:
        self._now = START_SECONDS
        self._limit = START_SECONDS + limit_seconds
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Nothing happens for ``seconds``: called by the selector instead of sleeping."""
        if self._now + seconds > self._limit:
            raise RanTooLong(
                f"virtual time would pass {self._limit - START_SECONDS:g} s; {self._waiting()}"
            )
        self._now += seconds

    def deadlock(self) -> Deadlock:
        return Deadlock(f"nothing is ready and no timer is set; {self._waiting()}")

    def _waiting(self) -> str:
        places = []
        for task in asyncio.all_tasks(self):
            frames = task.get_stack(limit=1)
            where = f"{frames[-1].f_code.co_filename}:{frames[-1].f_lineno}" if frames else "?"
            places.append(f"{task.get_name()} at {where}")
        return f"waiting: {', '.join(sorted(places)) or 'no task at all'}"


class _JumpingSelector(selectors.BaseSelector):
    """The system's selector, asked only what is ready now."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise self._loop.deadlock()
        self._loop.advance(timeout)
        return ready

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(
        self, fileobj: FileDescriptorLike, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualClock:
    """The ``Clock`` port on the time of the running loop."""

    def __init__(self, wall_start: float = WALL_START_SECONDS) -> None:
        self._loop = asyncio.get_running_loop()
        self._wall_offset = wall_start - self._loop.time()
        self._slept = 0.0

    def monotonic(self) -> float:
        return self._loop.time()

    def wall(self) -> float:
        return self._loop.time() + self._wall_offset

    def boot(self) -> float:
        return self._loop.time() + self._slept

    async def advance(self, seconds: float) -> None:
        """Return when ``seconds`` have passed, after everything that falls due within them."""
        await asyncio.sleep(seconds)

    def step_wall(self, seconds: float) -> None:
        """Somebody sets the wall clock; what is monotonic does not notice."""
        self._wall_offset += seconds

    def sleep_through(self, seconds: float) -> None:
        """The machine is suspended for so long; what is monotonic does not notice."""
        self._slept += seconds
        self._wall_offset += seconds


def run_virtual(
    main: Callable[[], Coroutine[Any, Any, T]], *, limit_seconds: float = LIMIT_SECONDS
) -> T:
    """Run ``main()`` to its end on a loop of its own and return what it returns.

    Tasks that it leaves behind are cancelled. Raises Deadlock, or RanTooLong after
    ``limit_seconds`` of virtual time.
    """
    with asyncio.Runner(
        loop_factory=lambda: VirtualTimeLoop(limit_seconds=limit_seconds)
    ) as runner:
        return runner.run(main())
