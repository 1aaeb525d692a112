"""``trunkpulse demo``: see it work before setting anything up."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
import webbrowser
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.text import Text

from trunkpulse.cli.errors import CommandFailed

__all__ = ["demo"]

STYLES = {
    "config": "dim",
    "act": "bold yellow",
    "state": "bold",
    "event": "cyan",
    "route": "green",
    "ready": "bold blue",
    "done": "bold green",
}


def demo(
    seconds: Annotated[
        float | None,
        typer.Option(
            min=1, metavar="N", help="End after N seconds; 30 are enough for the whole story."
        ),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Do not open the API's page in a browser.")
    ] = False,
) -> None:
    """Watch a simulated carrier fail, calls move away, and everything come back."""
    from trunkpulse.app import loop_factory  # noqa: PLC0415 - only the demo needs the service
    from trunkpulse.demo.story import Findings, play  # noqa: PLC0415

    # Standard output tells the story; of the service's own log only what goes wrong is shown.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(30),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    console = Console(highlight=False, soft_wrap=True)
    started = time.monotonic()
    findings = Findings()

    def say(kind: str, line: str) -> None:
        moment = f"{time.monotonic() - started:5.1f}  "
        console.print(Text(moment, "dim").append(line, STYLES[kind]))

    def ready(url: str) -> None:
        say("ready", f"API at {url}/ (its documentation is that page)")
        if not no_browser and sys.stdout.isatty():
            webbrowser.open(url)

    async def show(folder: Path) -> None:
        story = asyncio.create_task(play(folder, say, findings, ready))
        ended = asyncio.create_task(asyncio.sleep(seconds)) if seconds else None
        async with contextlib.AsyncExitStack() as curtain:
            curtain.push_async_callback(_end, story)
            await asyncio.wait({story, *([ended] if ended else [])}, return_when="FIRST_COMPLETED")
        if ended:
            ended.cancel()

    async def _end(story: asyncio.Task[None]) -> None:
        story.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await story

    with (
        tempfile.TemporaryDirectory(prefix="trunkpulse-demo-") as folder,
        contextlib.suppress(KeyboardInterrupt),
        asyncio.Runner(loop_factory=loop_factory()) as runner,
    ):
        runner.run(show(Path(folder)))
    if not findings.complete:
        raise CommandFailed(
            findings.stalled or "The demo ended before failover and recovery were both observed."
        )
