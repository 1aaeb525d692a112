"""Header by header: what became of a request between us and a far side that echoes it.

A responder that answers with the request as it arrived (Content-Type ``message/sip``) shows what
an answer alone cannot: changes on the way there that were undone on the way back, and changes of
what no answer repeats, Contact above all. Proxies may change a request as well: they put a Via and
a Record-Route on top, count Max-Forwards down, take their Route away and may give the request
another URI (RFC 3261 §16.6). Such differences are ``ordinary``; the others are a middlebox's.

The echo is compared as text, for what a middlebox wrote need not be SIP. Nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trunkpulse.sip.errors import shown
from trunkpulse.sip.grammar import BLANK
from trunkpulse.sip.headers import header_key
from trunkpulse.sip.middlebox import Finding, Severity

__all__ = ["BODY", "HEADER_ORDER", "START_LINE", "HeaderDifference", "compare_echo", "on_the_way"]

START_LINE = "start line"
HEADER_ORDER = "order of headers"
BODY = "body"

_LARGEST_BYTES = 65535
_MOST_HEADERS = 256
_LONGEST_NAME = 60
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")
_MAX_FORWARDS = re.compile(r"[0-9]{1,3}")
_ADDED_BY_PROXIES = frozenset({"via", "record-route"})


@dataclass(frozen=True, slots=True)
class HeaderDifference:
    """One header, or ``START_LINE``, ``HEADER_ORDER``, ``BODY``, that arrived otherwise."""

    name: str
    """As it was sent; of an added header as it arrived."""
    sent: str | None
    """None: it was added on the way."""
    arrived: str | None
    """None: it was removed on the way."""
    ordinary: bool = False
    """True if this is what any proxy does."""


def compare_echo(sent: bytes, echoed: bytes) -> list[HeaderDifference]:
    """What differs between the request as ``sent`` and as it was ``echoed``; empty if nothing.

    Compact names, the case of names, folding and the white space around values do not count.
    """
    start, headers, body = _take_apart(sent[:_LARGEST_BYTES])
    other_start, other_headers, other_body = _take_apart(echoed[:_LARGEST_BYTES])
    return [
        *_on_start_line(start, other_start),
        *_on_headers(headers, other_headers),
        *_on_order(headers, other_headers),
        *_on_body(body, other_body),
    ]


def on_the_way(differences: Sequence[HeaderDifference]) -> list[Finding]:
    """What these differences are evidence of: each that no proxy makes shows a middlebox."""
    findings = []
    for each in differences:
        if each.ordinary or each.name in {HEADER_ORDER, BODY}:
            continue
        name = each.name[:_LONGEST_NAME]
        if each.arrived is None:
            evidence = f"{name} was taken out on the way there"
        elif each.sent is None:
            evidence = f"{name} {shown(each.arrived)} was put in on the way there"
        else:
            evidence = (
                f"{name} arrived at the far side as {shown(each.arrived)}, not as"
                f" {shown(each.sent)}"
            )
        sentence = f"{evidence[:1].upper()}{evidence[1:]}: something on the way rewrites SIP."
        code = f"echo-{header_key(name).replace(' ', '-')}"
        findings.append(Finding(code, Severity.FAULT, sentence, evidence))
    return findings


_Headers = list[tuple[str, str]]


def _take_apart(data: bytes) -> tuple[str, _Headers, bytes]:
    data = data.lstrip(b"\r\n")
    end = _END_OF_HEADERS.search(data)
    head = data if end is None else data[: end.start()]
    body = b"" if end is None else data[end.end() :]
    start, *lines = head.decode("utf-8", "backslashreplace").split("\n")
    headers: _Headers = []
    for line in lines[: 2 * _MOST_HEADERS]:
        text = line.removesuffix("\r")
        if text[:1] in {" ", "\t"} and headers:
            name, value = headers.pop()
            headers.append((name, f"{value} {text.strip(BLANK)}".strip(BLANK)))
        else:
            name, _, value = text.partition(":")
            headers.append((name.rstrip(BLANK), value.strip(BLANK)))
    return start.removesuffix("\r"), headers[:_MOST_HEADERS], body


def _on_start_line(sent: str, arrived: str) -> Iterator[HeaderDifference]:
    if sent != arrived:
        ours, theirs = sent.split(" "), arrived.split(" ")
        only_the_uri = len(theirs) == 3 and (ours[0], ours[-1]) == (theirs[0], theirs[2])
        yield HeaderDifference(START_LINE, sent, arrived, only_the_uri)


def _on_headers(sent: _Headers, arrived: _Headers) -> Iterator[HeaderDifference]:
    names: dict[str, str] = {}
    for name, _ in (*sent, *arrived):
        names.setdefault(header_key(name), name)
    for key, name in names.items():
        ours = [value for other, value in sent if header_key(other) == key]
        theirs = [value for other, value in arrived if header_key(other) == key]
        surplus = max(0, len(theirs) - len(ours))
        if key in _ADDED_BY_PROXIES:
            # What a proxy adds stands on top (RFC 3261 16.6), so ours are the last ones.
            added, theirs = theirs[:surplus], theirs[surplus:]
        else:
            theirs, added = theirs[: len(ours)], theirs[len(ours) :]
        for value in added:
            yield HeaderDifference(name, None, value, key in _ADDED_BY_PROXIES)
        # A proxy takes the first Route away: the last ones are those that are left.
        missing = len(ours) - len(theirs)
        gone = ours[:missing] if key == "route" else ours[len(theirs) :]
        kept = ours[missing:] if key == "route" else ours[: len(theirs)]
        for before, after in zip(kept, theirs, strict=True):
            if before != after:
                yield HeaderDifference(name, before, after, _counted_down(key, before, after))
        for value in gone:
            yield HeaderDifference(name, value, None, key == "route")


def _counted_down(key: str, before: str, after: str) -> bool:
    if key != "max-forwards" or not (_MAX_FORWARDS.fullmatch(after) and after.isascii()):
        return False
    return int(after) < int(before)


def _on_order(sent: _Headers, arrived: _Headers) -> Iterator[HeaderDifference]:
    """Order between different names means nothing (RFC 3261 7.3.1); a change of it tells all."""
    ours = list(dict.fromkeys(header_key(name) for name, _ in sent))
    theirs = list(dict.fromkeys(header_key(name) for name, _ in arrived))
    before = [key for key in ours if key in theirs]
    after = [key for key in theirs if key in ours]
    if before != after:
        spelled = {header_key(name): name for name, _ in reversed(sent)}
        yield HeaderDifference(
            HEADER_ORDER,
            ", ".join(spelled[key] for key in before),
            ", ".join(spelled[key] for key in after),
        )


def _on_body(sent: bytes, arrived: bytes) -> Iterator[HeaderDifference]:
    if sent != arrived:
        yield HeaderDifference(BODY, _body(sent), _body(arrived))


def _body(body: bytes) -> str | None:
    return shown(body) if body else None
