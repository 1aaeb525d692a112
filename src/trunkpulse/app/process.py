"""The process around a running trunkpulse: configuration file, signals, log, exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from structlog.typing import Processor

from trunkpulse.adapters import collector
from trunkpulse.adapters.storage.errors import StorageError
from trunkpulse.admission.people import FirstAdministrator
from trunkpulse.app.bookkeeping import note_refused_reload, note_reload
from trunkpulse.app.composition import CannotStart, Running, cannot_run, running
from trunkpulse.config import Config, ConfigError, load_config
from trunkpulse.events.subscriptions import StreamRefused
from trunkpulse.ports import DestinationInvalid, StoreUnavailable
from trunkpulse.progress import Progress, unseen
from trunkpulse.provisioning.refusals import Refused

__all__ = ["loop_factory", "run_service", "set_up_logging"]

log = structlog.get_logger(__name__)


def run_service(config_path: Path, data: Path | None, progress: Progress = unseen) -> int:
    """Run until SIGTERM or SIGINT; SIGHUP reads the file again. Returns the exit code.

    ``progress`` hears how far the start has come. Raises ConfigError for a bad file and
    CannotStart for what is missing around it.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to reload
    set_up_logging()
    with collector.paused():
        config = load_config(config_path, os.environ, progress=progress)
    service = _serve(config, config_path, data or config_path.parent, progress)
    try:
        with collector.look_at_few(), asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(service)
    except ExceptionGroup as group:
        unable = _first(group, CannotStart)
        if unable is None:
            raise
        raise unable from None
    return 0


def _first(group: BaseExceptionGroup[Exception], kind: type[CannotStart]) -> CannotStart | None:
    for problem in group.exceptions:
        if isinstance(problem, kind):
            return problem
        if isinstance(problem, BaseExceptionGroup) and (found := _first(problem, kind)):
            return found
    return None


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The fastest event loop there is here; None: Python's own."""
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(config: Config, config_path: Path, data: Path, progress: Progress) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    again = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, again.set)
    async with running(config, data, progress) as instance:
        if instance.first is not None:
            _tell_once(instance.first, config.access.one_time_password_seconds)
        log.info(
            "ready", api=instance.url, trunks=len(instance.node.roster.records()), pid=os.getpid()
        )
        async with asyncio.TaskGroup() as tasks:
            reloading = tasks.create_task(_reload_on(again, instance, config_path))
            await stop.wait()
            reloading.cancel()
        log.info("stopping")
    log.info("stopped")


def _tell_once(first: FirstAdministrator, seconds: float) -> None:
    """To whoever started it, and not to the log: that is kept, and read by others."""
    if first.password is None:
        return
    sys.stderr.write(
        f'There is nobody yet, so the administrator "{first.name}" was made; sign in with the '
        f"password {first.password} within {seconds / 3600:g} hours and change it then, it is "
        "not shown again.\n"
    )
    sys.stderr.flush()


async def _reload_on(again: asyncio.Event, instance: Running, config_path: Path) -> None:
    node, ledger = instance.node, instance.ledger
    while True:
        await again.wait()
        again.clear()
        try:
            with collector.paused():
                config = await asyncio.to_thread(
                    load_config, config_path, os.environ, present=node.declared
                )
        except ConfigError as refused:
            node.refuse(refused.problems)
            note_refused_reload(ledger, refused.problems)
            continue
        try:
            with collector.paused():
                note_reload(ledger, await node.apply(config))
        except (
            OSError,
            StoreUnavailable,
            StorageError,
            StreamRefused,
            Refused,
            DestinationInvalid,
        ) as problem:
            node.refuse([cannot_run(problem, config)])
            note_refused_reload(ledger, node.refused)


def set_up_logging(*, quiet: bool = False) -> None:
    """One line per event on standard error: coloured for a person, logfmt for a machine.

    A defect comes with its traceback, and without the values of variables, among which are
    secrets. ``quiet``: only what somebody has to know, for commands that end in a moment.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(_for_a_person() if sys.stderr.isatty() else _for_a_machine()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(30 if quiet else 20),
        # Looked up for each line: a progress bar stands in for it and lets lines pass above itself.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def _for_a_person() -> Sequence[Processor]:
    # Where Rich is installed the default one shows the variables of each frame.
    return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]


def _for_a_machine() -> Sequence[Processor]:
    order = ["timestamp", "level", "event"]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.LogfmtRenderer(key_order=order),
    ]
