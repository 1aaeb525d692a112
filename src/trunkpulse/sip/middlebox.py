"""What a middlebox did to SIP on its way: address translators, SIP ALGs, wrong NAT settings.

A far side has to give back what names a request exactly as it came: the top Via, From, Call-ID and
CSeq (RFC 3261 §8.2.6.2). Only ``received`` and a value for ``rport`` are added to the Via (§18.2.1,
RFC 3581). So an answer in which more than that is different was changed on the way, there or back,
and what changes SIP on the way is nearly always the "SIP ALG" of a router or firewall. An address
translator that leaves SIP alone shows in ``received`` and ``rport`` instead.

Who answers is free in what it says of itself (Contact, Record-Route, SDP). Still, a private address
there, in an answer that came from a public one, leads nowhere: the far side does not know its own
public address.

Nothing here raises for what an answer holds.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from trunkpulse.sip.errors import MalformedMessage, MalformedUri, shown
from trunkpulse.sip.grammar import host_and_port
from trunkpulse.sip.headers import CSeq, NameAddr, Via
from trunkpulse.sip.message import Request, Response, parse_message
from trunkpulse.sip.uri import SipUri

__all__ = ["Finding", "Severity", "inspect_answer", "is_private", "seen_as", "sip_alg"]

_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",  # shared by a provider's customers (RFC 6598)
            "169.254.0.0/16",
            "fc00::/7",
            "fe80::/10",
        ),
    )
)
_CONNECTION_LINE = re.compile(rb"^c=IN IP[46] ([0-9A-Fa-f:.]{2,45})", re.MULTILINE)
_MOST_ADDRESSES = 8
"""Of one kind that are looked at in one answer."""


class Severity(StrEnum):
    """How much a finding matters."""

    FAULT = "fault"
    """Calls or probes fail because of it."""
    WARNING = "warning"
    """Something will fail because of it, or works by luck."""
    NOTE = "note"
    """Good to know."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was noticed."""

    code: str
    """Which thing; the same whenever it is noticed again."""
    severity: Severity
    sentence: str
    """For a person: what, why, and what to do about it."""
    evidence: str | None = None
    """With what was rewritten on the way: the bare fact, to be read within a sentence."""


def sip_alg(findings: Iterable[Finding]) -> Finding | None:
    """The verdict on all that was rewritten, which names its evidence; None if nothing was."""
    evidence = dict.fromkeys(each.evidence for each in findings if each.evidence)
    if not evidence:
        return None
    return Finding(
        "sip-alg",
        Severity.FAULT,
        f"A SIP ALG or another middlebox rewrites SIP on the way: {'; '.join(evidence)}. Turn off"
        " the SIP ALG (SIP helper, SIP inspection) of the routers and firewalls in between, or use"
        " TLS, which none of them can read.",
    )


def inspect_answer(sent: bytes, answer: bytes, source: str) -> list[Finding]:
    """What ``answer``, which came from the address ``source``, shows of its way and the other's.

    ``sent`` is the request as it left; an answer without its branch is looked at all the same.
    """
    try:
        request, response = parse_message(sent), parse_message(answer)
        if not isinstance(request, Request) or not isinstance(response, Response):
            return []
        ours = Via.parse(request.headers.members("Via")[0])
        vias = [Via.parse(text) for text in response.headers.members("Via")]
        return [
            *_on_vias(ours, vias),
            *_on_names(request, response),
            *_on_nat(request, ours, vias, source),
            *_on_private_addresses(response, ours, vias, source),
        ]
    except MalformedMessage as problem:
        return [
            Finding(
                "unreadable",
                Severity.FAULT,
                f"An answer came that cannot be read as SIP: {problem}; the far side is at fault,"
                " or whatever changed its answer on the way.",
            )
        ]


def seen_as(answer: bytes) -> tuple[str, int | None] | None:
    """Where the far side saw the request come from (RFC 3581), if its answer says so."""
    try:
        via = Via.parse(parse_message(answer).headers.members("Via")[0])
    except (MalformedMessage, IndexError):
        return None
    if not via.received or _address(via.received) is None:
        return None
    return via.received, _port(via.rport)


def is_private(host: str) -> bool:
    """True if ``host`` is an address that means nothing beyond its own network.

    RFC 1918, RFC 6598, unique local and link-local addresses, and the loopback; False for names.
    """
    address = _address(host)
    if address is None:
        return False
    return address.is_loopback or any(
        address in network for network in _PRIVATE if network.version == address.version
    )


# --- rewritten ---------------------------------------------------------------------------------


def _rewritten(code: str, what: str, sent: object, arrived: object) -> Finding:
    evidence = f"{what} came back as {shown(str(arrived))} instead of {shown(str(sent))}"
    return _tampered(code, evidence)


def _tampered(code: str, evidence: str) -> Finding:
    return Finding(
        code,
        Severity.FAULT,
        f"{evidence[:1].upper()}{evidence[1:]}: something on the way rewrites SIP.",
        evidence,
    )


def _on_vias(ours: Via, vias: Sequence[Via]) -> Iterator[Finding]:
    if not vias:
        yield _tampered("via-missing", "the answer came back without any Via")
        return
    if len(vias) > 1:
        yield _tampered(
            "via-added", f"the answer came back with {len(vias)} Via headers instead of one"
        )
    # Whoever adds a Via and forgets to take it away leaves it on top: ours is then below.
    theirs = next((via for via in vias if _folded(via.branch) == _folded(ours.branch)), vias[0])
    if theirs.branch != ours.branch:
        if _folded(theirs.branch) == _folded(ours.branch):
            yield Finding(
                "via-branch-case",
                Severity.NOTE,
                "The Via branch came back in another case; that is legal (RFC 3261 7.3.1), but"
                " there are SIP stacks that then miss the answer.",
            )
        else:
            yield _rewritten("via-branch", "the Via branch", ours.branch, theirs.branch)
    if _sent_by(theirs) != _sent_by(ours):
        yield _rewritten(
            "via-sent-by",
            "the address in the Via",
            host_and_port(ours.host, ours.port),
            host_and_port(theirs.host, theirs.port),
        )
    if theirs.transport.upper() != ours.transport.upper():
        yield _rewritten("via-transport", "the transport in the Via", ours.transport,
                         theirs.transport)  # fmt: skip


def _folded(branch: str | None) -> str:
    return (branch or "").lower()


def _sent_by(via: Via) -> tuple[str, int]:
    return via.host, via.port or (5061 if via.transport.upper() == "TLS" else 5060)


def _on_names(request: Request, response: Response) -> Iterator[Finding]:
    for code, name in (("call-id", "Call-ID"), ("cseq", "CSeq")):
        sent, arrived = request.headers.single(name), response.headers.first(name)
        if arrived is None:
            yield _tampered(f"{code}-missing", f"the answer came back without its {name}")
        elif arrived != sent and (name == "Call-ID" or CSeq.parse(arrived) != CSeq.parse(sent)):
            yield _rewritten(code, f"the {name}", sent, arrived)
    for name in ("From", "To"):
        sender = NameAddr.parse(request.headers.single(name))
        text = response.headers.first(name)
        if text is None:
            yield _tampered(
                f"{name.lower()}-missing", f"the answer came back without its {name} header"
            )
            continue
        theirs = NameAddr.parse(text)
        if _canonical(theirs.uri) != _canonical(sender.uri):
            yield _rewritten(f"{name.lower()}-uri", f"the {name} URI", sender.uri, theirs.uri)
        if name == "From" and theirs.tag != sender.tag:
            yield _rewritten("from-tag", "the From tag", sender.tag, theirs.tag or "")


def _canonical(uri: str) -> str:
    try:
        return str(SipUri.parse(uri))
    except MalformedUri:
        return uri


# --- addresses ---------------------------------------------------------------------------------


def _on_nat(request: Request, ours: Via, vias: Sequence[Via], source: str) -> Iterator[Finding]:
    if not vias or _address(ours.host) is None:
        return  # a name in our own Via differs from every address
    via = vias[-1]
    seen = _address(via.received or "")
    port = _port(via.rport)
    if seen is None:
        if is_private(ours.host) and not is_private(source) and ours.transport.upper() == "UDP":
            yield Finding(
                "rport-ignored",
                Severity.NOTE,
                "The far side does not say where it sees the probe come from (no received and"
                " rport in the Via, RFC 3581), so a public address cannot be learned from it.",
            )
        return
    contact = next(_hosts(request, "Contact"), "")
    where, here = host_and_port(str(seen), port), host_and_port(ours.host, ours.port)
    if seen != _address(ours.host):
        shows_it = _address(contact) in {None, seen}
        yield Finding(
            "behind-nat",
            Severity.NOTE if shows_it else Severity.WARNING,
            f"The far side sees the probe come from {where}, not {here}: there is a NAT in between,"
            " and the carrier has to allow that address"
            + (
                "."
                if shows_it
                else f"; Contact says {contact}, which cannot be reached from there, so set"
                " enable_nat = true."
            ),
        )
    elif port is not None and ours.transport.upper() == "UDP" and port != _sent_by(ours)[1]:
        yield Finding(
            "nat-port",
            Severity.WARNING,
            f"The far side sees the probe come from port {port}, not {_sent_by(ours)[1]}: something"
            " in between translates ports; set enable_nat = true, so that Contact shows the port"
            " that can be reached.",
        )


def _on_private_addresses(
    response: Response, ours: Via, vias: Sequence[Via], source: str
) -> Iterator[Finding]:
    if _address(source) is None or is_private(source):
        return
    received = {via.received for via in vias if via.received} - {ours.host}
    bodies = _CONNECTION_LINE.findall(response.body[:65536])
    for code, place, hosts in (
        ("private-contact", "Contact", _hosts(response, "Contact")),
        ("private-record-route", "Record-Route", _hosts(response, "Record-Route")),
        ("private-received", "Via (received)", iter(sorted(received))),
        ("private-sdp", "SDP (c=)", (body.decode("ascii") for body in bodies[:_MOST_ADDRESSES])),
    ):
        private = next(filter(is_private, hosts), None)
        if private is not None:
            yield Finding(
                code,
                Severity.WARNING,
                f"The answer came from {source} and shows the private address {private} in its"
                f" {place}: the far side has a wrong NAT setting"
                + _CONSEQUENCES.get(code, "; calls through it can lose their audio or break off.")
                + " Ask its operator to set its public address.",
            )


_CONSEQUENCES = {
    "private-received": ", or is itself behind a NAT that hides where requests come from; it may"
    " then take your calls for somebody else's.",
}


def _hosts(message: Request | Response, name: str) -> Iterator[str]:
    try:
        members = message.headers.members(name)
    except MalformedMessage:
        return
    for member in members[:_MOST_ADDRESSES]:
        try:
            yield SipUri.parse(NameAddr.parse(member).uri).host
        except (MalformedMessage, MalformedUri):
            continue


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _port(text: str | None) -> int | None:
    if text and text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536:
        return int(text)
    return None
