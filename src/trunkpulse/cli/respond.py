"""``trunkpulse respond``: the far side of a keepalive, for tests and for the bench."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.network.errors import BindFailed
from trunkpulse.adapters.network.responder import (
    Fate,
    OptionsResponder,
    ResponderCounts,
    ResponderSettings,
)
from trunkpulse.adapters.network.tls import TlsUnusable
from trunkpulse.cli.bounds import seconds, whole_number
from trunkpulse.cli.errors import WrongUsage
from trunkpulse.cli.output import amount, clock_time, print_line
from trunkpulse.config.settings import ServerTls, SipListen
from trunkpulse.config.values import sip_listen
from trunkpulse.config.wording import either, shown
from trunkpulse.model import TransportProtocol
from trunkpulse.ports import Address
from trunkpulse.sip.grammar import host_and_port
from trunkpulse.sip.server import RETRY_AFTER_CODES, AnswerSettings

__all__ = ["respond"]

_MOST = 1_000_000
"""Of what is counted: far beyond what one process answers."""


def _share(text: str) -> float:
    """What --loss may be; raises WrongUsage."""
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:  # so NaN, which compares with nothing, is refused too
        raise WrongUsage(f"--loss must be a share from 0 to 1, not {shown(text)}.")
    return share


def respond(
    *,
    listen: Annotated[
        list[str],
        typer.Option(
            metavar="PROTOCOL:HOST:PORT",
            help="Where to listen: udp:, tcp: or tls:, and port 0 for any free one; "
            "may be repeated.",
        ),
    ],
    code: Annotated[
        int,
        typer.Option(
            metavar="CODE",
            parser=whole_number("--code", 200, 699),
            help="The status code to answer, 200 to 699.",
        ),
    ] = 200,
    retry_after: Annotated[
        int | None,
        typer.Option(
            metavar="SECONDS",
            parser=whole_number("--retry-after", 0, 86400),
            help="A Retry-After for codes that allow it, 0 to 86400.",
        ),
    ] = None,
    echo: Annotated[
        bool,
        typer.Option(
            "--echo", help="Send each OPTIONS back as it arrived, in the body of the 2xx."
        ),
    ] = False,
    delay: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            parser=seconds("--delay", 0, 3600),
            help="How long to wait before each answer, 0 to 3600.",
        ),
    ] = 0.0,
    loss: Annotated[
        float,
        typer.Option(
            metavar="SHARE", parser=_share, help="Share of requests to leave unanswered, 0 to 1."
        ),
    ] = 0.0,
    rate: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole_number("--rate", 1, _MOST),
            help=f"Requests per second that one address is answered, 1 to {_MOST}.",
        ),
    ] = None,
    cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For tls: our certificate, PEM.")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its private key, PEM, if it is in a file of its own."),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Let in only those with a certificate of these authorities, PEM."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Makes the losses the same each time.")
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole_number("--count", 1, _MOST),
            help=f"End after so many messages, 1 to {_MOST}.",
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print a line for each message.")
    ] = False,
) -> None:
    """Answer OPTIONS on local addresses until Ctrl-C, then say how many there were."""
    if retry_after is not None and code not in RETRY_AFTER_CODES:
        allowed = either([str(each) for each in sorted(RETRY_AFTER_CODES)])
        raise WrongUsage(f"--retry-after goes with --code {allowed} only, not with {code}.")
    if echo and code // 100 != 2:
        raise WrongUsage(f"--echo goes with --code 200 to 299 only, not with {code}.")
    places = _places(listen)
    plan = _Plan(
        places,
        _identity(places, cert, key, ca),
        ResponderSettings(
            answer=AnswerSettings(
                tag_key=secrets.token_bytes(16),
                code=code,
                retry_after_seconds=retry_after,
                echo=echo,
            ),
            requests_per_second=rate,
            burst=rate or 1,
            delay_seconds=delay,
            loss=loss,
        ),
        count,
        verbose,
    )
    counts = asyncio.run(_respond(plan, random.Random(seed)))
    fates = {fate: sum(each.fates[fate] for each in counts) for fate in Fate}
    parts = [f", {number} {fate}" for fate, number in fates.items() if number]
    failed = sum(each.failed_handshakes for each in counts)
    if failed:
        parts.append(f", {amount(failed, 'TLS handshake')} failed")
    print_line(f"{amount(sum(fates.values()), 'message')} arrived", *parts)


@dataclass(frozen=True, slots=True)
class _Plan:
    places: Sequence[SipListen]
    tls: ServerTls | None
    settings: ResponderSettings
    count: int | None
    """End after so many messages."""
    verbose: bool


def _places(texts: Sequence[str]) -> list[SipListen]:
    try:
        places = [sip_listen(text) for text in texts]
    except ValueError as problem:
        raise WrongUsage(f"--listen {problem}.") from problem
    for place, times in Counter(places).items():
        if times > 1 and place.port:  # port 0 is another one each time
            raise WrongUsage(f"--listen {_written(place)} is listed twice; take one out.")
    return places


def _written(place: SipListen) -> str:
    return f"{place.protocol}:{host_and_port(place.host, place.port)}"


def _identity(
    places: Sequence[SipListen], cert: Path | None, key: Path | None, ca: Path | None
) -> ServerTls | None:
    """Who we are to those who connect over TLS, if anybody can."""
    wanted = any(place.protocol is TransportProtocol.TLS for place in places)
    if wanted and cert is None:
        raise WrongUsage("--listen tls: needs a certificate; name its PEM file with --cert.")
    if not wanted and (cert or key or ca):
        raise WrongUsage("--cert, --key and --ca are of use with --listen tls: only.")
    if cert is None:
        return None
    certificate, private_key, authorities = (
        None if file is None else str(file.absolute()) for file in (cert, key, ca)
    )
    assert certificate is not None
    return ServerTls(cert_file=certificate, key_file=private_key, ca_file=authorities)


class _Narrator:
    """Tells what comes, and knows when it has been enough."""

    def __init__(self, plan: _Plan, clock: SystemClock) -> None:
        self._plan = plan
        self._clock = clock
        self._arrived = 0
        self.done = asyncio.Event()
        self.gone: BrokenPipeError | None = None
        """Whoever read what is told has hung up."""

    def note(self, place: SipListen, source: Address, what: str) -> None:
        if self._plan.verbose:
            sender = f"{place.protocol}:{host_and_port(source[0], source[1])}"
            try:
                _tell(f"{clock_time(self._clock.wall() * 1000)}  {sender}  {what}")
            except BrokenPipeError as problem:
                self.gone = problem
                self.done.set()

    def heard(self, place: SipListen, data: bytes, source: Address, fate: Fate) -> None:
        self._arrived += 1
        if self._plan.verbose:  # what is not printed is not decoded
            line = data.lstrip().split(b"\n", 1)[0].strip()[:120].decode("utf-8", "replace")
            self.note(place, source, f"{line}  {fate}")
        if self._arrived == self._plan.count:
            # An answer that is delayed shall still leave.
            delay_seconds = self._plan.settings.delay_seconds
            asyncio.get_running_loop().call_later(delay_seconds, self.done.set)


async def _respond(plan: _Plan, rng: random.Random) -> list[ResponderCounts]:
    """Answer until a signal or the count ends it; what came to each of the places."""
    clock = SystemClock()
    narrator = _Narrator(plan, clock)
    responders: list[OptionsResponder] = []
    with contextlib.ExitStack() as open_ones:
        for place in plan.places:
            try:
                responder = await OptionsResponder.listen_on(
                    place,
                    plan.settings,
                    clock=clock,
                    rng=rng,
                    tls=plan.tls,
                    heard=partial(narrator.heard, place),
                    turned_away=partial(narrator.note, place),
                )
            except OSError as problem:
                raise WrongUsage(_cannot_listen(place, problem)) from problem
            open_ones.callback(responder.close)
            responders.append(responder)
        _on_signals(narrator.done.set)
        for responder in responders:
            _tell(f"Answering OPTIONS with {plan.settings.answer.code} on {responder.place}")
        await narrator.done.wait()
    if narrator.gone is not None:
        raise narrator.gone
    return [each.counts for each in responders]


def _cannot_listen(place: SipListen, problem: OSError) -> str:
    if isinstance(problem, TlsUnusable):
        return f"{problem}."
    reason = problem.reason if isinstance(problem, BindFailed) else problem.strerror or problem
    return f"It cannot listen on {_written(place)}: {reason}; choose another with --listen."


def _tell(line: str) -> None:
    print_line(line)
    sys.stdout.flush()  # whoever started us reads the address from a pipe


def _on_signals(stop: Callable[[], None]) -> None:
    """Ctrl-C and a polite kill both end it as planned."""
    if threading.current_thread() is threading.main_thread():
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
