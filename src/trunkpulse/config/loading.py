"""From a file to a ``Config``: read, validate, check what entries say of each other, build.

Everything that is wrong is found in one go, but for what the keys of a faulty entry or section say
of each other. An entry that is wrong in itself is reported and set aside; the rest is then checked
as if it had not been there, except that its id still counts as declared, so that one mistake is one
sentence, and that the trunks which it names have to be there.

A large file is first taken in pieces (see ``pieces``), each of which is forgotten as soon as its
trunks are made. If anything at all is amiss, it is read again as a whole to say what.
"""

from __future__ import annotations

import contextlib
import gc
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from trunkpulse.config.access_sections import access_settings, oidc_settings
from trunkpulse.config.alike import Alike
from trunkpulse.config.certificates import Certificates
from trunkpulse.config.checks import (
    check_destinations,
    check_ids,
    check_listeners,
    check_maintenance,
    check_mirrors,
    check_references,
    declared_trunks,
    server_files,
)
from trunkpulse.config.destinations import alerts_of, read_destination
from trunkpulse.config.document import parsed, read_content
from trunkpulse.config.errors import ConfigError
from trunkpulse.config.hep_sections import hep_settings
from trunkpulse.config.maintenance import window_from
from trunkpulse.config.pieces import Pieces, entries_of
from trunkpulse.config.profiles import Profiles
from trunkpulse.config.public import check_api
from trunkpulse.config.report import Location, Report
from trunkpulse.config.route_schema import hours_from
from trunkpulse.config.schema import Document, RouteEntry, StreamEntry, TrunkEntry
from trunkpulse.config.secrets import Secrets
from trunkpulse.config.sections import IdentityEntry
from trunkpulse.config.settings import (
    ApiSettings,
    Config,
    InstanceSettings,
    MetricsSettings,
    NumbersSettings,
    OutboundSettings,
    PacingSettings,
    RoutingSettings,
    ServerTls,
    SipSettings,
    StorageSettings,
)
from trunkpulse.config.stamps import FileStamps
from trunkpulse.config.switch_checks import check_switches
from trunkpulse.config.switch_schema import switch_from
from trunkpulse.config.trunk_checks import check_trunks
from trunkpulse.config.trunks import Trunks
from trunkpulse.config.wording import printable
from trunkpulse.model import (
    EventStream,
    IsolationPolicy,
    KeepalivePolicy,
    Route,
    RouteTrunk,
    Trunk,
)
from trunkpulse.progress import Progress, Step, unseen

__all__ = ["load_config", "route_from", "stream_from"]

LARGE_BYTES = 1024 * 1024
"""From here on a file is read in pieces; a smaller one is read in the time of a blink."""

_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9._-]+")


def load_config(
    path: Path,
    environ: Mapping[str, str],
    *,
    progress: Progress = unseen,
    present: Config | None = None,
) -> Config:
    """The configuration in the file at ``path``, its secrets taken from ``environ`` and files.

    Paths within the file start from its folder. What is as in ``present``, the configuration in
    force, is the same object. Raises ConfigError with every problem found.
    """
    with _collector_paused():
        content = read_content(path)
        if len(content) >= LARGE_BYTES:
            secrets = Secrets(path.parent, environ)
            with contextlib.suppress(ConfigError, ValueError, RecursionError):
                return _from_pieces(path, Pieces(content), secrets, progress, present)
        secrets = Secrets(path.parent, environ)
        return _from_whole(path, parsed(path, content), secrets, present)


def _from_whole(
    path: Path, raw: Mapping[str, object], secrets: Secrets, present: Config | None
) -> Config:
    """The configuration; raises ConfigError with all that is wrong."""
    report = Report(printable(str(path)), raw)
    document, positions, faulty = _validated(raw, secrets, report)
    check_ids(raw, report)
    check_references(raw, faulty, declared_trunks(raw), report)
    check_destinations(document.event_streams, positions["event_streams"], report)
    check_maintenance(document, positions["maintenance"], report)
    check_mirrors(document.hep, report)
    certificates = Certificates()
    check_listeners(document.sip, path.parent, certificates, report)
    check_api(document.api, path.parent, certificates, report)
    check_switches(
        document.switches,
        positions["switches"],
        report,
        folder=path.parent,
        certificates=certificates,
    )
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
    trunks = Trunks(document.keepalive, profiles, path, present)
    made = tuple(map(trunks.trunk, document.trunks))
    return _config(document, path, trunks.default, made, secrets)


def _from_pieces(
    path: Path, pieces: Pieces, secrets: Secrets, progress: Progress, present: Config | None
) -> Config:
    """The same, made by and by; raises ConfigError or ValueError if anything is amiss."""
    report = Report(printable(str(path)), pieces.rest)
    document = Document.model_validate(pieces.rest, context=secrets)
    check_mirrors(document.hep, report)
    certificates = Certificates()
    check_listeners(document.sip, path.parent, certificates, report)
    check_api(document.api, path.parent, certificates, report)
    profiles = Profiles(secrets, certificates)
    trunks = Trunks(document.keepalive, profiles, path, present)

    def validated(entries: list[object]) -> Sequence[TrunkEntry]:
        part = Document.model_validate({"trunks": entries}, context=secrets).trunks
        check_trunks(
            part,
            range(len(part)),
            report,
            folder=path.parent,
            profiles=profiles,
            certificates=certificates,
        )
        if report.problems:
            raise ConfigError(report.problems)
        return part

    alike = Alike(trunks)
    made: list[Trunk] = []
    for texts in pieces.texts():
        found = [alike.find(text) for text in texts]
        others = [text for text, trunk in zip(texts, found, strict=True) if trunk is None]
        entries = validated(entries_of(others))
        ordinary = [trunks.trunk(entry) for entry in entries]
        for text, entry, trunk in zip(others, entries, ordinary, strict=True):
            alike.note(text, entry, trunk)
        following = iter(ordinary)
        made += [trunk or next(following) for trunk in found]
        progress(Step.READING, len(made), pieces.count)
    made += map(trunks.trunk, validated(pieces.last))
    progress(Step.READING, len(made), len(made))
    ids = {trunk.id for trunk in made}
    check_ids(pieces.rest, report)
    check_references(pieces.rest, frozenset(), ids, report)
    check_destinations(document.event_streams, range(len(document.event_streams)), report)
    check_maintenance(document, range(len(document.maintenance)), report)
    check_switches(
        document.switches,
        range(len(document.switches)),
        report,
        folder=path.parent,
        certificates=certificates,
    )
    if report.problems or len(ids) != len(made):
        raise ConfigError(report.problems)
    return _config(document, path, trunks.default, tuple(made), secrets)


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
) -> tuple[Document, dict[str, list[int]], frozenset[Location]]:
    """The document without its faulty sections and entries, where the others stood, and faults."""
    faults: frozenset[Location] = frozenset()
    faulty: set[Location] = set()
    try:
        document = Document.model_validate(raw, context=secrets)
    except ValidationError as error:
        report.add_all(error)
        faults = frozenset(finding["loc"] for finding in error.errors(include_url=False))
        faulty = {location[:2] for location in faults}
        document = Document.model_validate(_without(raw, faulty), context=secrets)
    positions: dict[str, list[int]] = {}
    for section in ("trunks", "routes", "event_streams", "maintenance", "switches"):
        entries = raw.get(section)
        count = len(entries) if isinstance(entries, list) else 0
        positions[section] = [at for at in range(count) if (section, at) not in faulty]
    return document, positions, faults


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


def _config(
    document: Document,
    path: Path,
    keepalive: KeepalivePolicy,
    trunks: tuple[Trunk, ...],
    secrets: Secrets,
) -> Config:
    storage, sip, pacing = document.storage, document.sip, document.pacing
    stamps = FileStamps()
    return Config(
        instance=InstanceSettings(
            id=document.instance.id or _host_name(), region=document.instance.region
        ),
        storage=StorageSettings(path=None if storage.url is None else path.parent / storage.url),
        api=ApiSettings(
            listen=document.api.listen,
            public_url=document.api.public_url,
            token_lifetime_seconds=document.api.token_lifetime_seconds,
            requests_per_second=document.api.requests_per_second,
            burst=document.api.burst,
            tls=None if document.api.tls is None else _server_tls(document.api.tls, path.parent),
            hosts=document.api.hosts,
            trusted_proxies=document.api.trusted_proxies,
            allowed_origins=document.api.allowed_origins,
        ),
        access=access_settings(document.access),
        oidc=oidc_settings(document.oidc),
        metrics=MetricsSettings(
            per_trunk=None if document.metrics.per_trunk == "auto" else document.metrics.per_trunk,
            token=document.metrics.token,
        ),
        sip=SipSettings(
            listen=sip.listen,
            tls=None if sip.tls is None else _server_tls(sip.tls, path.parent),
            allow=sip.allow,
            user_agent=sip.user_agent,
            calls_per_second=sip.calls_per_second,
            redirect_code=sip.redirect_code,
        ),
        hep=hep_settings(document.hep),
        isolation=IsolationPolicy(
            enabled=document.isolation.enabled,
            failed_share=document.isolation.failed_share,
            minimum_carriers=document.isolation.minimum_carriers,
            hold_seconds=document.isolation.hold_seconds,
        ),
        pacing=PacingSettings(probes_per_second=pacing.probes_per_second, carriers=pacing.carriers),
        numbers=NumbersSettings(
            rollup_trunks=document.numbers.rollup_trunks,
            retention_days=document.numbers.retention_days,
        ),
        routing=RoutingSettings(
            country=document.routing.country, timezone=document.routing.timezone
        ),
        outbound=OutboundSettings(allow=document.outbound.allow),
        keepalive=keepalive,
        trunks=trunks,
        routes=tuple(route_from(entry, path.name) for entry in document.routes),
        event_streams=tuple(stream_from(entry, path.name) for entry in document.event_streams),
        maintenance=tuple(window_from(entry, path.name) for entry in document.maintenance),
        switches=tuple([switch_from(each, path.parent, stamps) for each in document.switches]),
        file=path.name,
        declared=frozenset(
            [f"keepalive.{key}" for key in document.keepalive.model_fields_set]
            + [f"sip.{key}" for key in sip.model_fields_set & {"user_agent"}]
        ),
        accepted_advice=document.advice.accept,
        exposed_secret_files=tuple(sorted(secrets.exposed_files)),
    )


def _server_tls(entry: IdentityEntry, folder: Path) -> ServerTls | None:
    files = server_files(entry, folder)
    return ServerTls(
        cert_file=str(files.cert_file),
        key_file=files.key_file,
        ca_file=files.ca_file,
        stamp=FileStamps().of(*files),
    )


def _host_name() -> str:
    return _NOT_IN_AN_ID.sub("-", socket.gethostname()).strip("._-")[:128] or "trunkpulse"


def route_from(entry: RouteEntry, managed_by: str | None) -> Route:
    """The route that an entry of the file, or a document of the API, describes."""
    return Route(
        id=entry.id,
        direction=entry.direction,
        numbers=entry.numbers,
        regions=entry.regions,
        times=tuple(map(hours_from, entry.times)),
        timezone=entry.timezone,
        trunks=tuple(
            RouteTrunk(id=member.id, priority=member.priority, weight=member.weight)
            for member in entry.trunks
        ),
        when_none_available=entry.when_none_available,
        failback_ramp_seconds=entry.failback_ramp_seconds,
        managed_by=managed_by,
    )


def stream_from(entry: StreamEntry, managed_by: str | None) -> EventStream:
    """The stream that an entry of the file, or a document of the API, describes."""
    return EventStream(
        id=entry.id,
        name=entry.name or entry.id,
        destination=read_destination(entry.destination.given()),
        event_types=entry.event_types,
        trunks=entry.trunks,
        carriers=entry.carriers,
        regions=entry.regions,
        directions=entry.directions,
        states=entry.states,
        reason_codes=entry.reason_codes,
        alerts=alerts_of(entry.destination.type, entry.alert_settings()),
        enabled=entry.enabled,
        paused=entry.paused,
        managed_by=managed_by,
    )
