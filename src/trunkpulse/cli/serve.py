"""``trunkpulse serve``: the service itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from trunkpulse.adapters import collector
from trunkpulse.cli.errors import WrongUsage

__all__ = ["serve"]


def serve(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The configuration file.", metavar="FILE")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Where the database lives when the file does not say.", metavar="DIRECTORY"
        ),
    ] = None,
) -> None:
    """Probe the trunks, keep their states, deliver events, answer the API, until stopped."""
    # The whole service is imported only by the command that runs it, and it stays: looking for
    # garbage among it, also when all is there, is a fifth of the time that it takes.
    with collector.paused():
        from trunkpulse.app import CannotStart, run_service  # noqa: PLC0415
        from trunkpulse.cli.loading import watched  # noqa: PLC0415
        from trunkpulse.config import ConfigError  # noqa: PLC0415

    try:
        with watched(sys.stderr, logged=True) as progress:
            code = run_service(config, data, progress)
    except (ConfigError, CannotStart) as problem:
        raise WrongUsage(str(problem)) from problem
    raise typer.Exit(code)
