"""What is said of a switch goes together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from trunkpulse.config.certificates import Certificates, TlsFiles
from trunkpulse.config.report import Location, Report
from trunkpulse.config.switch_schema import SwitchEntry, authorities
from trunkpulse.config.switches import LastOfGroup, SwitchType, SwitchUrl

__all__ = ["check_switches"]

_USER_AT_DOMAIN = re.compile(r"[^@:\s]+@[^@:\s]+")


def check_switches(
    entries: Sequence[SwitchEntry],
    positions: Sequence[int],
    report: Report,
    *,
    folder: Path,
    certificates: Certificates,
) -> None:
    """What is said of each switch goes together; ``positions`` are those in the file.

    Paths start from ``folder``.
    """
    for position, entry in zip(positions, entries, strict=True):
        place = ("switches", position)
        try:
            url = SwitchUrl.parse(entry.url, entry.type)
        except ValueError as problem:
            report.add((*place, "url"), str(problem))
            url = None
        _check_credentials(entry, url, place, report)
        if url is not None and entry.tls is not None and url.scheme not in {"https", "tls"}:
            report.add(
                (*place, "tls"), f'must be left out with "{url.scheme}:", which is without TLS'
            )
        elif (ca_file := authorities(entry, folder)) is not None:
            for key, wrong in certificates.problems(TlsFiles(ca_file=ca_file)):
                report.add((*place, "tls", key), wrong)
        if entry.type.by_address:
            continue
        if entry.groups:
            report.add(
                (*place, "groups"), f"must be left out with type {entry.type}, which has no groups"
            )
        if entry.when_none_available is not LastOfGroup.FAIL:
            report.add(
                (*place, "when_none_available"),
                f'must be "fail" with type {entry.type}, which has no groups',
            )


def _check_credentials(
    entry: SwitchEntry, url: SwitchUrl | None, place: Location, report: Report
) -> None:
    named = entry.username is not None or entry.type is SwitchType.FREESWITCH
    if entry.password is not None and not named:
        report.add((*place, "password"), "must be left out where there is no username")
    if url is not None and entry.username is not None and not _asks_who(entry.type, url):
        report.add(
            (*place, "username"), f'must be left out with "{url.scheme}:", which asks for none'
        )
    if entry.type is SwitchType.FREESWITCH and not _USER_AT_DOMAIN.fullmatch(
        entry.username or "user@domain"
    ):
        report.add(
            (*place, "username"), "must be NAME@DOMAIN of its directory with type freeswitch"
        )
    if entry.type is SwitchType.ASTERISK:
        for key, value in (("username", entry.username), ("password", entry.password)):
            if value is None:
                report.add((*place, key), "must be given with type asterisk")


def _asks_who(kind: SwitchType, url: SwitchUrl) -> bool:
    """False: whoever can reach it is let in, or a password is all it wants."""
    named = {SwitchType.ASTERISK, SwitchType.FREESWITCH}
    return url.scheme in {"http", "https"} or kind in named
