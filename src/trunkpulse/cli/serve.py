"""``trunkpulse serve``: the service itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trunkpulse.cli.errors import WrongUsage

__all__ = ["serve"]


def serve(
    config: Annotated[Path, typer.Option(help="The configuration file.", metavar="FILE")],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Where the database lives when the file does not say.", metavar="DIRECTORY"
        ),
    ] = None,
) -> None:
    """Probe the trunks, keep their states, deliver events, answer the API, until stopped."""
    # The whole service is imported only by the command that runs it.
    from trunkpulse.app import run_service  # noqa: PLC0415
    from trunkpulse.config import ConfigError  # noqa: PLC0415

    try:
        code = run_service(config, data)
    except ConfigError as problem:
        raise WrongUsage(str(problem)) from problem
    except BrokenPipeError:
        raise  # whoever read our output has gone
    except OSError as problem:
        raise WrongUsage(f"It cannot start: {problem.strerror or problem}.") from problem
    raise typer.Exit(code)
