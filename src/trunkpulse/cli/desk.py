"""Commands about who may come in: over the running service, or with its database alone.

With ``--config`` or ``--data`` they work also while the service does not run; then they open its
database themselves for as long as they take (``app.desk``).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from trunkpulse.adapters.machine_token import MachineToken
from trunkpulse.cli.connection import connected_by
from trunkpulse.cli.errors import WrongUsage
from trunkpulse.cli.whereabouts import Asked, Whereabouts, database_of, is_in_use
from trunkpulse.config.wording import printable

__all__ = ["over_desk"]


def over_desk(command: Callable[..., None]) -> Callable[..., None]:
    """Like ``over_api``, also while the service does not run."""
    return connected_by(_connected, command)


@contextmanager
def _connected(asked: Asked) -> Iterator[Whereabouts]:
    """The service, or what stands in for it; raises WrongUsage."""
    if not asked.here or asked.url or asked.token or is_in_use(database_of(asked)):
        yield Whereabouts.of(asked)
        return
    # The whole service is imported only if there is none to ask.
    from trunkpulse.app.errors import AlreadyRunning, CannotStart  # noqa: PLC0415
    from trunkpulse.app.process import set_up_logging  # noqa: PLC0415

    database = database_of(asked)
    if not database.parent.is_dir():
        raise WrongUsage(
            f"There is no folder {printable(str(database.parent))}; name the one that 'trunkpulse "
            "serve' has its database in."
        )
    set_up_logging(quiet=True)
    desk = _Desk(database)
    try:
        opened = desk.open()
    except AlreadyRunning:  # it has come up in this moment
        yield Whereabouts.of(asked)
        return
    except CannotStart as problem:
        raise WrongUsage(str(problem)) from problem
    try:
        yield Whereabouts(opened.url, opened.token)
    finally:
        desk.close()


class _Desk:
    """``app.desk`` on an event loop in a thread of its own, for commands that have none."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._opened: Future[tuple[MachineToken, Callable[[], None]]] = Future()
        self._thread = threading.Thread(target=self._run, name="desk")

    def open(self) -> MachineToken:
        """Raises what ``app.desk`` raises."""
        self._thread.start()
        return self._opened.result()[0]

    def close(self) -> None:
        """Let go of the database."""
        self._opened.result()[1]()
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:  # whatever went wrong, nobody may wait for ever
            if not self._opened.done():
                self._opened.set_exception(RuntimeError("the desk could not be opened"))

    async def _serve(self) -> None:
        from trunkpulse.app.desk import desk  # noqa: PLC0415 - the whole service
        from trunkpulse.app.errors import CannotStart  # noqa: PLC0415

        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def end() -> None:
            loop.call_soon_threadsafe(done.set)

        try:
            async with desk(self._database) as place:
                self._opened.set_result((place, end))
                await done.wait()
        except CannotStart as problem:
            self._opened.set_exception(problem)
