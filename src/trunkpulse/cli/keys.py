"""``trunkpulse keys``: what the secrets in the database are sealed with."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from trunkpulse.cli.errors import WrongUsage
from trunkpulse.cli.loading import watched
from trunkpulse.cli.output import amount, print_json, print_line

__all__ = ["keys"]

keys = typer.Typer(
    help="The keys that seal secrets in the database.", no_args_is_help=True, rich_markup_mode=None
)


@keys.callback()
def _group() -> None:
    """Keeps ``rotate`` a command of its own while it is the only one."""


@keys.command("rotate")
def rotate(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The configuration file.", metavar="FILE")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Where the database lives when the file does not say.", metavar="DIRECTORY"
        ),
    ] = None,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of text.")
    ] = False,
) -> None:
    """Seal all secrets in the database with a new key, while the service is stopped."""
    from trunkpulse.app.composition import CannotStart  # noqa: PLC0415 - the whole service
    from trunkpulse.app.rekeying import rekey  # noqa: PLC0415
    from trunkpulse.config import ConfigError, load_config  # noqa: PLC0415

    try:
        with watched(sys.stderr, logged=False) as progress:
            settings = load_config(config, os.environ, progress=progress)
        done = asyncio.run(rekey(settings, data or config.parent))
    except (ConfigError, CannotStart) as problem:
        raise WrongUsage(str(problem)) from problem
    if as_json:
        print_json({
            "keyId": done.key_id,
            "file": None if done.file is None else str(done.file),
            "secrets": done.secrets,
            "streams": done.streams,
            "others": done.others,
        })  # fmt: skip
        return
    others = f" and {amount(done.others, 'other thing')}" if done.others else ""
    print_line(
        f"{amount(done.secrets, 'secret')} of {amount(done.streams, 'event stream')}{others} "
        f"sealed with the key {done.key_id}."
    )
    if done.file is not None:
        print_line(
            f"Keep a copy of {done.file} away from this machine; its older keys open nothing any "
            "more but backups."
        )
