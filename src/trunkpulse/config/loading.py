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

from trunkpulse.config.certificates import Certificates
from trunkpulse.config.checks import (
    check_ids,
    check_listeners,
    check_references,
    server_files,
)
from trunkpulse.config.document import read_document
from trunkpulse.config.errors import ConfigError
from trunkpulse.config.profiles import Profiles
from trunkpulse.config.report import Report
from trunkpulse.config.schema import Document, RouteEntry, ServerTlsEntry, StreamEntry
from trunkpulse.config.secrets import Secrets
from trunkpulse.config.settings import (
    ApiSettings,
    Config,
    InstanceSettings,
    ServerTls,
    SipSettings,
    StorageSettings,
)
from trunkpulse.config.stamps import FileStamps
from trunkpulse.config.trunk_checks import check_trunks
from trunkpulse.config.trunks import Trunks
from trunkpulse.config.wording import printable
from trunkpulse.model import Destination, EventStream, Route, RouteTrunk

__all__ = ["load_config"]

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
        certificates = Certificates()
        check_listeners(document.sip, path.parent, certificates, report)
        profiles = Profiles(secrets, certificates)
        check_trunks(
            document.trunks,
            positions["trunks"],
            report,
            folder=path.parent,
            profiles=profiles,
            certificates=certificates,
        )
        if report.problems:
            raise ConfigError(report.problems)
        config = _config(document, path, profiles)
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


def _config(document: Document, path: Path, profiles: Profiles) -> Config:
    storage, sip = document.storage, document.sip
    trunks = Trunks(document.keepalive, profiles, path)
    return Config(
        instance=InstanceSettings(
            id=document.instance.id or _host_name(), region=document.instance.region
        ),
        storage=StorageSettings(path=None if storage.url is None else path.parent / storage.url),
        api=ApiSettings(listen=document.api.listen),
        sip=SipSettings(
            listen=sip.listen,
            tls=None if sip.tls is None else _server_tls(sip.tls, path.parent),
            allow=sip.allow,
            user_agent=sip.user_agent,
        ),
        keepalive=trunks.default,
        trunks=tuple(map(trunks.trunk, document.trunks)),
        routes=tuple(_route(entry, path.name) for entry in document.routes),
        event_streams=tuple(_stream(entry, path.name) for entry in document.event_streams),
    )


def _server_tls(entry: ServerTlsEntry, folder: Path) -> ServerTls | None:
    files = server_files(entry, folder)
    return ServerTls(
        cert_file=str(files.cert_file),
        key_file=files.key_file,
        ca_file=files.ca_file,
        stamp=FileStamps().of(*files),
    )


def _host_name() -> str:
    return _NOT_IN_AN_ID.sub("-", socket.gethostname()).strip("._-")[:128] or "trunkpulse"


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
