"""What no single entry shows: ids that are given twice or lead nowhere, listeners without TLS."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from trunkpulse.config.certificates import Certificates, TlsFiles
from trunkpulse.config.destinations import DestinationInvalidAt, alerts_of, read_destination
from trunkpulse.config.hep_sections import HepEntry
from trunkpulse.config.maintenance import WindowInvalid, window_from
from trunkpulse.config.report import Location, Report
from trunkpulse.config.schema import Document, StreamEntry
from trunkpulse.config.sections import IdentityEntry, ServerTlsEntry, SipEntry
from trunkpulse.config.settings import ListenAddress, SipListen
from trunkpulse.config.wording import did_you_mean, shown
from trunkpulse.model import TransportProtocol
from trunkpulse.sip.grammar import host_and_port

__all__ = [
    "check_destination",
    "check_destinations",
    "check_ids",
    "check_listeners",
    "check_maintenance",
    "check_mirrors",
    "check_references",
    "declared_trunks",
    "server_files",
]

_MOST_COMPARED = 10_000
_MOST_GUESSES = 5
_IDENTIFIED = ("trunks", "routes", "event_streams", "maintenance", "switches")


def _ids(raw: Mapping[str, object], section: str) -> list[str | None]:
    """The ids of a section's entries, faulty entries included; None for one without."""
    entries = raw.get(section)
    if not isinstance(entries, list):
        return []
    found = [entry.get("id") if isinstance(entry, dict) else None for entry in entries]
    return [name if isinstance(name, str) else None for name in found]


def check_ids(raw: Mapping[str, object], report: Report) -> None:
    """Within each list of tables that have one, each id is given once."""
    for section in _IDENTIFIED:
        first: dict[str, int] = {}
        for position, name in enumerate(_ids(raw, section)):
            if name is not None and first.setdefault(name, position) != position:
                report.add(
                    (section, position, "id"),
                    f"must be unique, but {section}[{first[name]}] has the same",
                )


def declared_trunks(raw: Mapping[str, object]) -> frozenset[str | None] | None:
    """The ids of the trunks, faulty ones included; None if they cannot be read at all."""
    # That is one problem then, and not one for each reference.
    if not isinstance(raw.get("trunks", []), list):
        return None
    return frozenset(_ids(raw, "trunks"))


def check_references(
    raw: Mapping[str, object],
    faults: Collection[Location],
    declared: Collection[str | None] | None,
    report: Report,
) -> None:
    """Every trunk that is named is declared, and named once in a route.

    ``faults`` are the places of which something has been said already, ``declared`` the ids of
    the trunks; None if these cannot be read.
    """
    dangling = _Dangling(declared or ())
    for position, trunks in _named_trunks(raw, "routes"):
        seen: set[str] = set()
        for place, member in enumerate(trunks):
            location: Location = ("routes", position, "trunks", place, "id")
            name = member.get("id") if isinstance(member, dict) else None
            if not isinstance(name, str) or location in faults:
                continue
            if declared is not None and name not in declared:
                report.add(location, dangling(name))
            if name in seen:
                report.add(location, f"must be listed once in a route, not {shown(name)} twice")
            seen.add(name)
    for section in ("event_streams", "maintenance", "switches"):
        for position, trunks in _named_trunks(raw, section):
            for place, name in enumerate(trunks):
                location = (section, position, "trunks", place)
                known = declared is None or name in declared
                if isinstance(name, str) and not known and location not in faults:
                    report.add(location, dangling(name))


def _named_trunks(
    raw: Mapping[str, object], section: str
) -> Iterator[tuple[int, Sequence[object]]]:
    """Of each entry, faulty ones included, its position and what stands under its ``trunks``."""
    entries = raw.get(section)
    for position, entry in enumerate(entries if isinstance(entries, list) else ()):
        trunks = entry.get("trunks") if isinstance(entry, dict) else None
        if isinstance(trunks, list):
            yield position, trunks


def check_destinations(
    streams: Sequence[StreamEntry], positions: Sequence[int], report: Report
) -> None:
    """What is said of each destination belongs to its type; ``positions`` are those in the file."""
    for position, stream in zip(positions, streams, strict=True):
        check_destination(stream, ("event_streams", position), report)


def check_destination(stream: StreamEntry, location: Location, report: Report) -> None:
    """What is said of where ``stream``, which stands at ``location``, leads goes together."""
    try:
        read_destination(stream.destination.given(), spelt=report.spelt)
    except DestinationInvalidAt as invalid:
        for key, predicate in invalid.problems:
            report.add((*location, "destination", key), predicate)
        return
    try:
        alerts_of(stream.destination.type, stream.alert_settings())
    except ValueError as problem:
        report.add((*location, "alerts"), str(problem))


def check_maintenance(document: Document, positions: Sequence[int], report: Report) -> None:
    """What is said of each window goes together; ``positions`` as above."""
    for position, entry in zip(positions, document.maintenance, strict=True):
        try:
            window_from(entry, None)
        except WindowInvalid as problem:
            report.add(("maintenance", position, problem.key), str(problem))


class _Dangling:
    """What is said of ids that lead nowhere; of the first few with the one that was meant."""

    def __init__(self, declared: Collection[str | None]) -> None:
        few = len(declared) <= _MOST_COMPARED  # it takes a millisecond for a hundred
        self._ids = sorted(each for each in declared if each is not None) if few else []
        self._left = _MOST_GUESSES

    def __call__(self, name: str) -> str:
        near = did_you_mean(name, self._ids) if self._left else None
        self._left = max(self._left - 1, 0)
        meant = "" if near is None else f" (did you mean {shown(near)}?)"
        return f"must be the id of a trunk in this file, but there is no trunk {shown(name)}{meant}"


def check_mirrors(entry: HepEntry, report: Report) -> None:
    """No address is listed twice."""
    seen: set[ListenAddress] = set()
    for position, each in enumerate(entry.listen):
        if each[1] and each in seen:
            where = f"udp:{host_and_port(*each)}"
            report.add(
                ("hep", "listen", position), f"is listed twice, {shown(where)}; take one out"
            )
        seen.add(each)


def check_listeners(
    sip: SipEntry, folder: Path, certificates: Certificates, report: Report
) -> None:
    """No address is listed twice; who listens for TLS has a certificate, and nobody else has."""
    seen: set[SipListen] = set()
    for place, each in enumerate(sip.listen):
        if each.port and each in seen:
            where = f"{each.protocol}:{host_and_port(each.host, each.port)}"
            report.add(("sip", "listen", place), f"is listed twice, {shown(where)}; take one out")
        seen.add(each)
    over_tls = any(each.protocol is TransportProtocol.TLS for each in sip.listen)
    if sip.tls is None:
        if over_tls:
            report.add(
                ("sip", "tls"),
                "must be set for those who connect over TLS, such as "
                '{ cert_file = "me.pem", key_file = "me.key" }',
            )
        return
    if not over_tls:
        report.add(
            ("sip", "tls"),
            'must be left out while nothing listens for TLS; add such as "tls:127.0.0.1:5061" '
            "to listen",
        )
        return
    for key, problem in certificates.problems(server_files(sip.tls, folder)):
        report.add(("sip", "tls", key), problem)


def server_files(entry: IdentityEntry, folder: Path) -> TlsFiles:
    """The files that a ``tls`` table names, their paths absolute."""

    def absolute(name: str | None) -> str | None:
        return None if name is None else str(folder.absolute() / name)

    authorities = entry.ca_file if isinstance(entry, ServerTlsEntry) else None
    return TlsFiles(absolute(entry.cert_file), absolute(entry.key_file), absolute(authorities))
