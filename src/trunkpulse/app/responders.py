"""Our own answers: to calls, where they shall go; to OPTIONS, that we are there."""

from __future__ import annotations

import contextlib
import errno
import random
import secrets
from collections.abc import AsyncIterator

from trunkpulse.adapters.call_places import CallPlaces
from trunkpulse.adapters.call_verdicts import CallVerdicts
from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.network.errors import BindFailed
from trunkpulse.adapters.network.responder import Fate, OptionsResponder, ResponderSettings
from trunkpulse.adapters.network.tls import TlsUnusable
from trunkpulse.adapters.sip_redirect import RedirectCounts, RedirectServer, RedirectSettings
from trunkpulse.app.errors import CannotStart
from trunkpulse.model import Direction
from trunkpulse.node import Node
from trunkpulse.ports import Address
from trunkpulse.probing.heard import LastHeard
from trunkpulse.routing.numbers import beginnings, dialled_number
from trunkpulse.sip.server import AnswerSettings

__all__ = ["listening_responders", "verdicts_of"]

OPTIONS_PER_SECOND = 50.0
"""Of one source that asks our own OPTIONS responder; a keepalive needs far less."""
ANSWERS_PER_SECOND = 5000.0
"""Of one source whose answers come in where we listen; it may stand for thousands of targets."""
TAKEN = ("INVITE", "ACK", "CANCEL", "OPTIONS")
"""Methods that are not answered with 405."""


@contextlib.asynccontextmanager
async def listening_responders(
    node: Node,
    clock: SystemClock,
    rng: random.Random,
    last_heard: LastHeard,
    redirects: RedirectCounts,
) -> AsyncIterator[list[OptionsResponder]]:
    """Our own answers, on every address of ``[sip] listen``; ``redirects`` counts calls."""
    sip = node.config.sip
    tag_key = secrets.token_bytes(16)
    settings = ResponderSettings(
        answer=AnswerSettings(tag_key=tag_key, server=sip.user_agent, allow=TAKEN),
        allow=sip.allow,
        requests_per_second=OPTIONS_PER_SECOND,
        responses_per_second=ANSWERS_PER_SECOND,
    )

    def heard(data: bytes, source: Address, fate: Fate) -> None:
        if fate is Fate.ANSWERED and data.lstrip(b"\r\n").startswith(b"OPTIONS "):
            last_heard.note(source[0], clock.wall())

    verdicts = verdicts_of(node, rng)
    calling = RedirectSettings(
        tag_key=tag_key, server=sip.user_agent, calls_per_second=sip.calls_per_second
    )
    rates = calling.rates()  # of a source, at whichever of our addresses it asks

    with contextlib.ExitStack() as open_ones:
        responders: list[OptionsResponder] = []
        for place in sip.listen:
            try:
                responder = await OptionsResponder.listen_on(
                    place,
                    settings,
                    clock=clock,
                    rng=rng,
                    tls=sip.tls,
                    heard=heard,
                    answers=node.roster.prober,
                    calls=RedirectServer(
                        calling,
                        verdict=verdicts.of,
                        counts=redirects,
                        clock=clock,
                        rates=rates,
                    ),
                )
            except OSError as problem:
                raise CannotStart(_cannot_listen(problem)) from problem
            open_ones.callback(responder.close)
            responders.append(responder)
        yield responders


def verdicts_of(node: Node, rng: random.Random) -> CallVerdicts:
    """What ``node`` tells calls that ask where to go; ``rng`` draws among equal targets."""

    def may_grow(uri: str, direction: Direction) -> bool:
        table, country = node.made.routes.table, node.config.routing.country
        return any(table.may_grow(each, direction) for each in beginnings(uri, country))

    return CallVerdicts(
        decide=node.decide,
        read_number=lambda uri: dialled_number(
            uri, node.config.routing.country, node.made.routes.table.is_short
        ),
        may_grow=may_grow,
        places=CallPlaces(node.roster.records, rng),
        code=node.config.sip.redirect_code,
    )


def _cannot_listen(problem: OSError) -> str:
    """Why we have no socket to answer from, as one sentence."""
    if isinstance(problem, TlsUnusable):
        return f"{problem}."
    if not isinstance(problem, BindFailed):
        return f"The SIP responder cannot listen: {problem.strerror or problem}."
    sentence = f"The SIP responder cannot listen on {problem.place}"
    if problem.errno == errno.EADDRINUSE:
        return (
            f"{sentence} because another program does; stop it, choose another "
            "port in sip.listen, or set listen = [] under [sip]."
        )
    return f"{sentence}: {problem.reason}; correct sip.listen."
