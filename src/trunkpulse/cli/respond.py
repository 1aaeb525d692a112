"""``trunkpulse respond``: the far side of a keepalive, for tests and for the bench."""

from __future__ import annotations

import asyncio
import random
import secrets
import signal
import sys
import threading
from collections.abc import Callable
from typing import Annotated

import typer

from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.network.responder import (
    Fate,
    OptionsResponder,
    ResponderCounts,
    ResponderSettings,
)
from trunkpulse.cli.baseline import place
from trunkpulse.cli.errors import WrongUsage
from trunkpulse.cli.output import amount, clock_time, print_line
from trunkpulse.config.values import sip_address
from trunkpulse.ports import Address
from trunkpulse.sip.server import AnswerSettings

__all__ = ["respond"]


def respond(
    *,
    listen: Annotated[
        str, typer.Option(metavar="udp:HOST:PORT", help="Where to listen; port 0: any free one.")
    ],
    code: Annotated[
        int, typer.Option(metavar="CODE", min=200, max=699, help="The status code to answer.")
    ] = 200,
    delay: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0, max=3600, help="How long to wait before each answer."
        ),
    ] = 0.0,
    loss: Annotated[
        float,
        typer.Option(
            metavar="SHARE", min=0, max=1, help="Share of requests to leave unanswered, 0 to 1."
        ),
    ] = 0.0,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Makes the losses the same each time.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="End after so many datagrams.")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print a line for each datagram.")
    ] = False,
) -> None:
    """Answer OPTIONS on a local address until Ctrl-C, then say how many there were."""
    try:
        local = sip_address(listen)
    except ValueError as problem:
        raise WrongUsage(f"--listen {problem}.") from problem
    settings = ResponderSettings(
        answer=AnswerSettings(tag_key=secrets.token_bytes(16), code=code),
        delay_seconds=delay,
        loss=loss,
    )
    try:
        counts = asyncio.run(_respond(local, settings, random.Random(seed), count, verbose=verbose))
    except BrokenPipeError:
        raise  # whoever read our output has gone
    except OSError as problem:
        raise WrongUsage(f"It cannot listen: {problem.strerror}.") from problem
    fates = (f"{number} {fate}" for fate, number in counts.fates.items() if number)
    print_line(f"{amount(counts.received, 'datagram')} arrived", *(f", {fate}" for fate in fates))


async def _respond(
    local: tuple[str, int],
    settings: ResponderSettings,
    rng: random.Random,
    count: int | None,
    *,
    verbose: bool,
) -> ResponderCounts:
    done = asyncio.Event()
    arrived = 0

    def heard(data: bytes, source: Address, fate: Fate) -> None:
        nonlocal arrived
        arrived += 1
        if verbose:
            line = data.lstrip().split(b"\n", 1)[0].strip()[:120].decode("utf-8", "replace")
            _tell(f"{clock_time(_now_ms())}  {place(source)}  {line}  {fate}")
        if arrived == count:
            # An answer that is delayed shall still leave.
            asyncio.get_running_loop().call_later(settings.delay_seconds, done.set)

    responder = OptionsResponder.listen(local, settings, clock=SystemClock(), rng=rng, heard=heard)
    try:
        _on_signals(done.set)
        _tell(
            f"Answering OPTIONS with {settings.answer.code} on udp:{place(responder.local_address)}"
        )
        await done.wait()
    finally:
        responder.close()
    return responder.counts


def _tell(line: str) -> None:
    print_line(line)
    sys.stdout.flush()  # whoever started us reads the address from a pipe


def _now_ms() -> float:
    return SystemClock().wall() * 1000


def _on_signals(stop: Callable[[], None]) -> None:
    """Ctrl-C and a polite kill both end it as planned."""
    if threading.current_thread() is threading.main_thread():
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
