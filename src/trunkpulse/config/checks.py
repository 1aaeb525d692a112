"""What no single entry shows: ids that are given twice or lead nowhere, numbers that disagree."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from trunkpulse.config.endpoint import Endpoint
from trunkpulse.config.report import Report
from trunkpulse.config.schema import Document, TrunkEntry
from trunkpulse.config.wording import shown
from trunkpulse.sip.uri import SipUri

__all__ = ["check_ids", "check_references"]

_IDENTIFIED = ("trunks", "routes", "event_streams")


def _ids(raw: Mapping[str, object], section: str) -> list[str | None]:
    """The ids of a section's entries, faulty entries included; None for one without."""
    entries = raw.get(section)
    if not isinstance(entries, list):
        return []
    found = [entry.get("id") if isinstance(entry, dict) else None for entry in entries]
    return [name if isinstance(name, str) else None for name in found]


def check_ids(raw: Mapping[str, object], report: Report) -> None:
    """Within trunks, routes and event streams, each id is given once."""
    for section in _IDENTIFIED:
        first: dict[str, int] = {}
        for position, name in enumerate(_ids(raw, section)):
            if name is not None and first.setdefault(name, position) != position:
                report.add(
                    (section, position, "id"),
                    f"must be unique, but {section}[{first[name]}] has the same",
                )


def check_references(
    document: Document,
    positions: Mapping[str, Sequence[int]],
    raw: Mapping[str, object],
    report: Report,
) -> None:
    """Entries agree with themselves, and every trunk that they name is declared.

    ``positions`` tells where in ``raw`` the entries of ``document`` stand.
    """
    for position, trunk in zip(positions["trunks"], document.trunks, strict=True):
        _check_targets(position, trunk, report)
        _check_families(position, trunk, report)
    declared = frozenset(_ids(raw, "trunks"))
    # A list of trunks that cannot be read at all is one problem, not one for each reference.
    readable = isinstance(raw.get("trunks", []), list)
    for position, route in zip(positions["routes"], document.routes, strict=True):
        seen: set[str] = set()
        for place, member in enumerate(route.trunks):
            location = ("routes", position, "trunks", place, "id")
            if readable and member.id not in declared:
                report.add(location, _dangling(member.id))
            if member.id in seen:
                report.add(
                    location, f"must be listed once in a route, not {shown(member.id)} twice"
                )
            seen.add(member.id)
    for position, stream in zip(positions["event_streams"], document.event_streams, strict=True):
        for place, name in enumerate(stream.trunks):
            if readable and name not in declared:
                report.add(("event_streams", position, "trunks", place), _dangling(name))


def _dangling(name: str) -> str:
    return f"must be the id of a trunk in this file, but there is no trunk {shown(name)}"


def _check_targets(position: int, trunk: TrunkEntry, report: Report) -> None:
    count = len(trunk.targets)
    if trunk.min_available_targets > count:
        report.add(
            ("trunks", position, "min_available_targets"),
            f"must be at most the number of targets, {count}, not {trunk.min_available_targets}",
        )
    if count == 1:
        return
    first: dict[Endpoint, int] = {}
    for place, target in enumerate(trunk.targets):
        earlier = first.setdefault(Endpoint.of(target), place)
        if earlier != place:
            same = trunk.targets[earlier]
            another = "" if same == target else f", which is where {shown(target)} leads too"
            report.add(
                ("trunks", position, "targets", place),
                f"must not repeat a target of this trunk, {shown(same)}{another}",
            )


def _check_families(position: int, trunk: TrunkEntry, report: Report) -> None:
    """A socket of the source's family reaches every target that is written as an address."""
    if trunk.advanced is None or trunk.advanced.source is None:
        return
    source = trunk.advanced.source[0]
    for place, target in enumerate(trunk.targets):
        family = _family(SipUri.parse(target).host)
        if family not in {None, _family(source)}:
            report.add(
                ("trunks", position, "targets", place),
                f"must be at an {_family(source)} address like {source}, the source of this"
                f" trunk's probes, not {shown(target)}",
            )


def _family(host: str) -> str | None:
    """Of an address; None for a name, which may have addresses of both."""
    try:
        return f"IPv{ipaddress.ip_address(host).version}"
    except ValueError:
        return None
