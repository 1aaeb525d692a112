"""Profiles: what is known of a kind of carrier, as data, in a file.

A profile's ``[keepalive]`` and ``[advanced]`` come between what the configuration says for all
trunks and what it says for one. Its ``[limits]`` hold for the trunk whatever is set: a value that
the trunk sets beyond them is a mistake, one that it merely inherits is raised to them. Its
``[requires]`` are what the far side insists on and what only the owner of the trunk can provide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from trunkpulse.config.certificates import Certificates, TlsFiles
from trunkpulse.config.document import read_document
from trunkpulse.config.errors import ConfigError
from trunkpulse.config.inheritance import BOUNDED
from trunkpulse.config.report import Location, Report
from trunkpulse.config.schema import (
    AdvancedEntry,
    KeepaliveEntry,
    LimitsEntry,
    ProfileDocument,
    RequiresEntry,
    TlsEntry,
)
from trunkpulse.config.secrets import Secrets
from trunkpulse.config.values import is_profile_path
from trunkpulse.config.wording import plain_number, printable

__all__ = ["Profile", "Profiles", "built_in", "check_limits", "merged", "tls_files"]

_FOLDER = Path(__file__).with_name("profiles")
_NOTHING = AdvancedEntry()


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile, read and checked."""

    name: str
    """As the configuration writes it."""
    description: str
    keepalive: KeepaliveEntry
    advanced: AdvancedEntry
    """Paths are absolute."""
    limits: LimitsEntry
    requires: RequiresEntry
    plain: bool
    """True if it neither says how its trunks' requests look nor asks anything of them."""


class Profiles:
    """The profiles that one configuration names, each read once."""

    def __init__(self, secrets: Secrets, certificates: Certificates) -> None:
        self._secrets = secrets
        self._certificates = certificates
        self._known: dict[str, Profile | None] = {}

    def find(self, name: str, report: Report, named_at: Location) -> Profile | None:
        """The profile ``name``; None if it cannot be used, which is then in ``report`` once."""
        if name not in self._known:
            self._known[name] = self._read(name, report, named_at)
        return self._known[name]

    def __getitem__(self, name: str) -> Profile:
        """A profile that has been found; raises KeyError otherwise."""
        profile = self._known[name]
        if profile is None:
            raise KeyError(name)
        return profile

    def _read(self, name: str, report: Report, named_at: Location) -> Profile | None:
        if not is_profile_path(name):
            return _profile(name, _document(_FOLDER / f"{name}.toml", self._secrets))
        file = self._secrets.folder / name
        try:
            is_there = file.is_file()
        except (OSError, ValueError):
            is_there = False
        if not is_there:
            report.add(
                named_at,
                f"points at the file {printable(name)}, which is not there; write the profile, or "
                "correct the path",
            )
            return None
        try:
            document = _document(file, replace(self._secrets, folder=file.parent))
        except ConfigError as error:
            report.problems.extend(error.problems)
            return None
        profile = _profile(name, document, file.parent)
        within = Report(printable(str(file)), {}, ProfileDocument)
        for key, predicate in self._certificates.problems(tls_files(profile.advanced)):
            within.add(("advanced", "tls", key), predicate)
        report.problems.extend(within.problems)
        return None if within.problems else profile


def built_in(name: str) -> Profile:
    """A profile that comes with trunkpulse."""
    return _profile(name, _document(_FOLDER / f"{name}.toml", Secrets(_FOLDER, {})))


def _document(file: Path, secrets: Secrets) -> ProfileDocument:
    """What stands in ``file``; raises ConfigError with every problem of it."""
    raw = read_document(file)
    report = Report(printable(str(file)), raw, ProfileDocument)
    try:
        document = ProfileDocument.model_validate(raw, context=secrets)
    except ValidationError as error:
        report.add_all(error)
    else:
        check_limits(document.keepalive, document.limits, "this profile", ("keepalive",), report)
        if not report.problems:
            return document
    raise ConfigError(report.problems)


def _profile(name: str, document: ProfileDocument, folder: Path = _FOLDER) -> Profile:
    advanced = _with_paths(document.advanced, folder)
    return Profile(
        name,
        document.description,
        document.keepalive,
        advanced,
        document.limits,
        document.requires,
        plain=(advanced, document.requires) == (_NOTHING, RequiresEntry()),
    )


def check_limits(
    keepalive: KeepaliveEntry, limits: LimitsEntry, whose: str, at: Location, report: Report
) -> None:
    """What ``keepalive`` itself sets keeps within ``limits``."""
    least = limits.minimum_interval_seconds
    if least is None:
        return
    for key in BOUNDED:
        value = getattr(keepalive, key)
        if key in keepalive.model_fields_set and value < least:
            report.add(
                (*at, key),
                f"must be at least {plain_number(least)}, the minimum_interval_seconds of"
                f" {whose}, not {plain_number(value)}",
            )


def merged(profile: Profile, entry: AdvancedEntry | None, folder: Path) -> AdvancedEntry:
    """What the profile says, overridden key by key by what the trunk sets; paths absolute.

    The paths that the trunk sets start from ``folder``.
    """
    if entry is None:
        return profile.advanced
    entry = _with_paths(entry, folder)
    changes = {key: getattr(entry, key) for key in entry.model_fields_set}
    if entry.tls is not None and profile.advanced.tls is not None:
        set_here = {key: getattr(entry.tls, key) for key in entry.tls.model_fields_set}
        changes["tls"] = profile.advanced.tls.model_copy(update=set_here)
    return profile.advanced.model_copy(update=changes)


def _with_paths(entry: AdvancedEntry, folder: Path) -> AdvancedEntry:
    if entry.tls is None:
        return entry
    absolute = {
        key: str(folder.absolute() / getattr(entry.tls, key))
        for key in TlsFiles._fields
        if getattr(entry.tls, key) is not None
    }
    return entry.model_copy(update={"tls": entry.tls.model_copy(update=absolute)})


def tls_files(entry: AdvancedEntry) -> TlsFiles:
    """The files that the ``tls`` table names."""
    tls = entry.tls or TlsEntry()
    return TlsFiles(tls.cert_file, tls.key_file, tls.ca_file)
