"""``trunkpulse probe``: whether an endpoint answers, and if not, what is the matter."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from trunkpulse.cli.baseline import BaselineTest
from trunkpulse.cli.bounds import seconds, whole_number
from trunkpulse.cli.diagnosis import all_healthy
from trunkpulse.cli.errors import CommandFailed, WrongUsage
from trunkpulse.cli.output import print_json
from trunkpulse.cli.probe_document import interrupted_document, probe_document
from trunkpulse.cli.probe_facts import ProbedAttempt, ProbedServer, ProbePlan
from trunkpulse.cli.probe_report import Progress, print_interrupted, print_summary, print_unfinished
from trunkpulse.cli.probe_trace import print_sighting
from trunkpulse.cli.probe_values import (
    PASSWORD,
    check_way,
    credentials,
    headers,
    legal,
    target_uri,
)
from trunkpulse.cli.probe_values import tls_settings as tls_from
from trunkpulse.config.values import certificate_host, proxy_uri, sip_uri, source_address
from trunkpulse.model import ProbeIdentity
from trunkpulse.ports import ResolutionFailed
from trunkpulse.sip.errors import SipError
from trunkpulse.sip.uri import SipUri

__all__ = ["probe"]

INTERRUPTED = 130


def probe(
    uri: Annotated[str, typer.Argument(metavar="SIP-URI", help="sip:sbc.example.com:5060")],
    *,
    count: Annotated[
        int,
        typer.Option(
            "--count",
            "-c",
            metavar="N",
            parser=whole_number("--count", 1, 10_000),
            help="How many attempts, 1 to 10000.",
        ),
    ] = 5,
    interval: Annotated[
        float,
        typer.Option(
            "--interval",
            "-i",
            metavar="SECONDS",
            parser=seconds("--interval", 0.05, 3600),
            help="Between attempts, start to start; 0.05 to 3600.",
        ),
    ] = 1.0,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            "-t",
            metavar="SECONDS",
            parser=seconds("--timeout", 0.1, 32),
            help="What one attempt may take, 0.1 to 32.",
        ),
    ] = 4.0,
    from_uri: Annotated[
        str | None, typer.Option("--from", metavar="URI", help="The From of the OPTIONS.")
    ] = None,
    to_uri: Annotated[
        str | None, typer.Option("--to", metavar="URI", help="The To of the OPTIONS.")
    ] = None,
    contact: Annotated[
        str | None, typer.Option(metavar="URI", help="The Contact of the OPTIONS.")
    ] = None,
    request_uri: Annotated[
        str | None, typer.Option(metavar="URI", help="The Request-URI, if not the SIP-URI.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="'NAME: VALUE'", help="One more header; may be repeated."),
    ] = None,
    max_forwards: Annotated[
        int,
        typer.Option(
            metavar="N",
            parser=whole_number("--max-forwards", 0, 255),
            help="0 to 255; 0 tests the next hop alone, which answers 483.",
        ),
    ] = 70,
    outbound_proxy: Annotated[
        str | None,
        typer.Option(metavar="URI", help="Send it there instead, with a Route; needs ;lr."),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="IP[:PORT]", help="The local address to probe from.")
    ] = None,
    username: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Who to be when challenged; the password is in {PASSWORD}, or is asked for.",
        ),
    ] = None,
    password: Annotated[
        str | None,
        typer.Option(metavar="env:NAME|file:PATH", help="Where else the password is."),
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Trust these authorities only (PEM).")
    ] = None,
    cert_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Our own certificate (PEM).")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its private key (PEM).")
    ] = None,
    server_name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Whom the certificate has to name instead."),
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Take any certificate.")] = False,
    trace: Annotated[bool, typer.Option("--trace", help="Show every message, on stderr.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of text.")
    ] = False,
) -> None:
    """Send OPTIONS to every server that a SIP URI leads to; say whether all are healthy, and why.

    Over UDP, TCP or TLS, as the URI or the DNS says (RFC 3263). Ends with 0 if every attempt was
    answered 2xx, otherwise with 1.
    """
    who, where = credentials(username, password)
    identity = ProbeIdentity(
        from_uri=_uri("--from", from_uri),
        to_uri=_uri("--to", to_uri),
        contact_uri=_uri("--contact", contact),
        request_uri=_uri("--request-uri", request_uri),
        headers=headers(header or []),
        max_forwards=max_forwards,
        outbound_proxy=(
            legal("--outbound-proxy", proxy_uri, outbound_proxy) if outbound_proxy else None
        ),
        source=legal("--source", source_address, source) if source else None,
        credentials=who,
        tls=tls_from(
            insecure=insecure,
            ca_file=ca_file,
            cert_file=cert_file,
            key_file=key_file,
            server_name=legal("--server-name", certificate_host, server_name)
            if server_name
            else None,
        ),
    )
    plan = ProbePlan(
        uri=SipUri.parse(legal("The SIP-URI", target_uri, uri)),
        count=count,
        interval_seconds=interval,
        timeout_seconds=timeout,
        identity=identity,
        password_from=where,
    )
    check_way(plan)
    run = _Run(plan, trace=trace, as_json=as_json)
    try:
        asyncio.run(run.carry_out())
    except ResolutionFailed as problem:
        raise CommandFailed(f"{problem}; check the spelling of the host and the DNS.") from problem
    except BrokenPipeError:
        raise  # whoever read our output has gone; the probe is not to blame
    except (OSError, SipError) as problem:
        text = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise WrongUsage(f"The probe cannot be sent: {text or problem}.") from problem
    raise typer.Exit(run.report())


def _uri(option: str, text: str | None) -> str | None:
    return legal(option, sip_uri, text) if text else None


class _Run:
    """One run of the test, told as it happens and summed up at its end."""

    def __init__(self, plan: ProbePlan, *, trace: bool, as_json: bool) -> None:
        self._plan = plan
        self._as_json = as_json
        self._interrupted = False
        # A table that is drawn anew and a trace would write over each other.
        self._progress = None if as_json else Progress(plan, live=not trace)
        self._test = BaselineTest(
            plan,
            started=self._started,
            finished=self._finished,
            wire=print_sighting if trace else None,
        )

    async def carry_out(self) -> None:
        """Run the test; Ctrl-C ends it early and what is known so far is reported."""

        def interrupt() -> None:
            self._interrupted = True
            self._test.stop()

        # Outside of the main thread nobody can press Ctrl-C, and it may not be listened for.
        with contextlib.suppress(ValueError, RuntimeError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupt)
        try:
            await self._test.run()
        finally:
            if self._progress is not None:
                self._progress.ended()

    def _started(self, servers: list[ProbedServer]) -> None:
        if self._progress is not None:
            self._progress.started(servers)

    def _finished(self, server: ProbedServer, attempt: ProbedAttempt) -> None:
        if self._progress is not None:
            self._progress.attempted(server, attempt)

    def report(self) -> int:
        """Print what it all comes to; returns the exit code."""
        servers = [server for server in self._test.servers if server.attempts]
        if not servers:
            if self._as_json:
                print_json(interrupted_document(self._plan, self._test.under_way))
            else:
                print_interrupted(self._test.under_way)
            return INTERRUPTED
        now_ms = int(time.time() * 1000)
        if self._as_json:
            print_json(probe_document(self._plan, servers, now_ms))
        else:
            print_unfinished(self._test.servers)
            print_summary(self._plan, servers, self._test.left_out, now_ms)
        if self._interrupted:
            return INTERRUPTED
        return 0 if all_healthy(servers) else 1
