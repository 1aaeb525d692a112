"""How a trunk's settings and targets look on one sheet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from trunkpulse.cli.document import Document
from trunkpulse.cli.output import Cell, ago, amount, clock_time, paint, state_text

__all__ = [
    "keepalive",
    "numbers_so_far",
    "pace",
    "percent",
    "probe_facts",
    "remarks",
    "target_row",
    "under_maintenance",
    "where",
]


def keepalive(policy: Document) -> str:
    if not policy.flag("enabled"):
        return "off"
    falls = amount(int(policy.number("maxFailedAttempts")), "failure")
    rises = amount(int(policy.number("minSuccessfulAttempts")), "success", "successes")
    healthy = ", ".join(policy.texts("healthyResponses"))
    return (
        f"every {policy.number('intervalSeconds'):g} s; DOWN after {falls}, AVAILABLE after"
        f" {rises}; healthy is {healthy} within {policy.number('timeoutSeconds'):g} s"
    )


def pace(policy: Document) -> str:
    return (
        f"{policy.number('confirmIntervalSeconds'):g} s while in doubt,"
        f" {policy.number('downIntervalSeconds'):g} s while DOWN"
    )


_USUAL_MAX_FORWARDS: Final = 70
_EVEN_WEIGHT: Final = 100
_PROBE_FACTS: Final = {
    "fromUri": "From",
    "toUri": "To",
    "contactUri": "Contact",
    "requestUri": "Request-URI",
    "outboundProxy": "proxy",
    "source": "source",
    "advertisedAddress": "shown as",
    "username": "username",
}


def probe_facts(probe: Document) -> Iterator[tuple[str, str]]:
    """What of the OPTIONS is not as usual."""
    for key, name in _PROBE_FACTS.items():
        value = probe.text_or_none(key)
        if value is not None:
            yield name, value
    if names := probe.texts("headerNames"):
        yield "headers", ", ".join(names)
    if probe.number("maxForwards") != _USUAL_MAX_FORWARDS:
        yield "hops", f"Max-Forwards {probe.number('maxForwards'):g}"
    if probe.flag("enableNat"):
        yield "NAT", "the public address is learned and shown in Contact"
    tls = probe.document("tls")
    files = {"caFile": "trusts", "certFile": "shows", "serverName": "expects"}
    said = [f"{word} {tls.text(key)}" for key, word in files.items() if tls.text_or_none(key)]
    if not tls.flag("verify"):
        said.insert(0, "verifies nothing")
    if said:
        yield "TLS", ", ".join(said)


def under_maintenance(trunk: Document) -> Iterator[tuple[str, str]]:
    """Work on the trunk that goes on now."""
    window = trunk.document_or_none("maintenance")
    if window is not None:
        until = clock_time(window.number("until"))
        yield "maintenance", f"{window.text('name')}, until {until}; alerts are silent"


def remarks(target: Document) -> Iterator[str]:
    """What the table has no column for."""
    public = target.text_or_none("publicAddress")
    if public is not None:
        yield f"sees us as {public}"
    problem = target.text_or_none("lookupProblem")
    if problem is not None:
        yield f"its name cannot be looked up ({problem})"
    quiet = target.number_or_none("maintenanceUntil")
    if quiet is not None:
        yield f"asked to be left alone until {clock_time(quiet)}"
    certificate = target.document_or_none("certificate")
    if certificate is not None:
        ends = clock_time(certificate.number("notAfter"))
        yield f"its certificate {certificate.text('subject')} ends {ends}"
    if target.number("weight") != _EVEN_WEIGHT or target.number("priority"):
        yield f"priority {target.number('priority'):g}, weight {target.number('weight'):g}"


def numbers_so_far(target: Document) -> str | None:
    """What its attempts came to, in a line; None before the first has ended."""
    numbers = target.document_or_none("numbers")
    if numbers is None or numbers.number_or_none("lossShare") is None:
        return None
    said: list[str] = []
    smoothed, jitter = numbers.number_or_none("smoothedRttMs"), numbers.number_or_none("jitterMs")
    if smoothed is not None:
        said.append(f"round trip {smoothed:.1f} ms")
    if jitter is not None:
        said.append(f"jitter {jitter:.1f} ms")
    said.append(f"{percent(numbers.number('lossShare'))} lost lately")
    answers = amount(int(numbers.number("answers")), "answer")
    losses = amount(int(numbers.number("losses")), "loss", "losses")
    return f"{', '.join(said)}; {answers} and {losses} since the start"


def percent(share: float) -> str:
    """A share of 0 to 1; what is not quite nothing is not shown as nothing."""
    shown = f"{share * 100:.1f} %"
    return shown if shown != "0.0 %" or not share else "< 0.1 %"


def target_row(target: Document) -> Iterator[Cell]:
    code, rtt = target.number_or_none("lastCode"), target.number_or_none("rttMs")
    due = target.number_or_none("nextAttemptInSeconds")
    failure = target.text_or_none("failure")
    yield where(target)
    yield state_text(target.text("state"))
    yield "-" if code is None else f"{code:g}"
    yield "-" if rtt is None else f"{rtt:.1f} ms"
    yield f"{target.number('failedAttempts'):g}"
    yield ago(target.number_or_none("lastSuccessfulKeepalive"))
    yield "-" if due is None else f"in {max(0.0, due):.0f} s"
    yield paint(target.text_or_none("detail") or failure or "", "red")


def where(target: Document) -> str:
    """The URI, and behind a name also the place that it leads to."""
    uri, address = target.text("uri"), target.text_or_none("address")
    if address is None or address.rpartition(":")[0] in uri:
        return uri
    return f"{uri} ({target.text_or_none('transport')}:{address})"
