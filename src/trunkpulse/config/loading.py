"""From a file to a ``Config``: read, validate, check what entries say of each other, build.

Everything that is wrong is found in one go. An entry that is wrong in itself is reported and set
aside; the rest is then checked as if it had not been there, except that its id still counts as
declared, so that one mistake is one sentence.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from trunkpulse.config.checks import check_ids, check_references
from trunkpulse.config.document import read_document
from trunkpulse.config.errors import ConfigError
from trunkpulse.config.report import Report
from trunkpulse.config.schema import (
    AdvancedEntry,
    Document,
    KeepaliveEntry,
    RouteEntry,
    StreamEntry,
    TrunkEntry,
)
from trunkpulse.config.secrets import Secrets
from trunkpulse.config.settings import (
    ApiSettings,
    Config,
    InstanceSettings,
    SipSettings,
    StorageSettings,
)
from trunkpulse.config.values import healthy_codes
from trunkpulse.config.wording import printable
from trunkpulse.model import (
    Destination,
    EventStream,
    KeepalivePolicy,
    ProbeIdentity,
    Route,
    RouteTrunk,
    Trunk,
)

__all__ = ["load_config"]

_NOTHING_SPECIAL = ProbeIdentity()
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9._-]+")


def load_config(path: Path, environ: Mapping[str, str]) -> Config:
    """The configuration in the file at ``path``, its secrets taken from ``environ`` and files.

    Paths within the file start from its folder. Raises ConfigError with every problem found.
    """
    with _collector_paused():
        raw = read_document(path)
        report = Report(printable(str(path)), raw)
        secrets = Secrets(path.parent, environ)
        document, positions = _validated(raw, secrets, report)
        check_ids(raw, report)
        check_references(document, positions, raw, report)
        if report.problems:
            raise ConfigError(report.problems)
        config = _config(document, path)
        return dataclasses.replace(
            config, exposed_secret_files=tuple(sorted(secrets.exposed_files))
        )


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """A large file makes millions of objects and no cycles: looking for some doubles the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _validated(
    raw: Mapping[str, object], secrets: Secrets, report: Report
) -> tuple[Document, dict[str, list[int]]]:
    """The document without its faulty sections and entries, and where the others stood."""
    faulty: set[tuple[str | int, ...]] = set()
    try:
        document = Document.model_validate(raw, context=secrets)
    except ValidationError as error:
        report.add_all(error)
        faulty = {finding["loc"][:2] for finding in error.errors(include_url=False)}
        document = Document.model_validate(_without(raw, faulty), context=secrets)
    positions: dict[str, list[int]] = {}
    for section in ("trunks", "routes", "event_streams"):
        entries = raw.get(section)
        count = len(entries) if isinstance(entries, list) else 0
        positions[section] = [at for at in range(count) if (section, at) not in faulty]
    return document, positions


def _without(raw: Mapping[str, object], faulty: set[tuple[str | int, ...]]) -> dict[str, object]:
    """``raw`` without the entries of lists and the whole other sections that are faulty."""
    sections = {place[0] for place in faulty}
    wholly = {place[0] for place in faulty if len(place) == 1}
    kept: dict[str, object] = {}
    for section, content in raw.items():
        if section not in sections:
            kept[section] = content
        elif section not in wholly and isinstance(content, list):
            kept[section] = [
                entry for at, entry in enumerate(content) if (section, at) not in faulty
            ]
    return kept


def _config(document: Document, path: Path) -> Config:
    storage, sip = document.storage, document.sip
    default = _overridden(KeepalivePolicy(), document.keepalive)
    policies = _Policies(default)
    return Config(
        instance=InstanceSettings(
            id=document.instance.id or _host_name(), region=document.instance.region
        ),
        storage=StorageSettings(path=None if storage.url is None else path.parent / storage.url),
        api=ApiSettings(listen=document.api.listen),
        sip=SipSettings(listen=sip.listen, allow=sip.allow, user_agent=sip.user_agent),
        keepalive=default,
        trunks=tuple(_trunk(entry, policies, path.name) for entry in document.trunks),
        routes=tuple(_route(entry, path.name) for entry in document.routes),
        event_streams=tuple(_stream(entry, path.name) for entry in document.event_streams),
    )


def _host_name() -> str:
    return _NOT_IN_AN_ID.sub("-", socket.gethostname()).strip("._-")[:128] or "trunkpulse"


class _Policies:
    """Gives trunks with equal settings the same object."""

    def __init__(self, default: KeepalivePolicy) -> None:
        self._default = default
        self._distinct = {default: default}
        self._by_overrides: dict[frozenset[tuple[str, object]], KeepalivePolicy] = {}

    def of(self, entry: KeepaliveEntry | None) -> KeepalivePolicy:
        if entry is None:
            return self._default
        overrides = frozenset((key, getattr(entry, key)) for key in entry.model_fields_set)
        policy = self._by_overrides.get(overrides)
        if policy is None:
            policy = _overridden(self._default, entry)
            # Other overrides may amount to the same settings.
            policy = self._distinct.setdefault(policy, policy)
            self._by_overrides[overrides] = policy
        return policy


def _overridden(policy: KeepalivePolicy, entry: KeepaliveEntry) -> KeepalivePolicy:
    """``policy`` with what the file sets in ``entry``."""
    changes = entry.model_dump(exclude_unset=True)
    if "healthy_responses" in changes:
        changes["healthy_codes"] = healthy_codes(entry.healthy_responses)
    return dataclasses.replace(policy, **changes)


def _trunk(
    entry: TrunkEntry,
    policies: _Policies,
    file: str,
) -> Trunk:
    return Trunk(
        id=entry.id,
        name=entry.name or entry.id,
        targets=entry.targets,
        direction=entry.direction,
        region=entry.region,
        carrier=entry.carrier,
        min_available_targets=entry.min_available_targets,
        enabled=entry.enabled,
        keepalive=policies.of(entry.keepalive),
        identity=_NOTHING_SPECIAL if entry.advanced is None else _identity(entry.advanced),
        managed_by=file,
    )


def _identity(entry: AdvancedEntry) -> ProbeIdentity:
    return ProbeIdentity(
        from_uri=entry.from_uri,
        contact_uri=entry.contact_uri,
        request_uri=entry.request_uri,
        headers=entry.headers,
        source=entry.source,
    )


def _route(entry: RouteEntry, file: str) -> Route:
    return Route(
        id=entry.id,
        direction=entry.direction,
        numbers=entry.numbers,
        regions=entry.regions,
        trunks=tuple(
            RouteTrunk(id=member.id, priority=member.priority, weight=member.weight)
            for member in entry.trunks
        ),
        when_none_available=entry.when_none_available,
        managed_by=file,
    )


def _stream(entry: StreamEntry, file: str) -> EventStream:
    destination = entry.destination
    return EventStream(
        id=entry.id,
        name=entry.name or entry.id,
        destination=Destination(
            type=destination.type, url=destination.url, secret=destination.secret
        ),
        event_types=entry.event_types,
        trunks=entry.trunks,
        reason_codes=entry.reason_codes,
        managed_by=file,
    )
