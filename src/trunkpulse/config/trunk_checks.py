"""What a trunk's settings say of each other, of its targets and of its profile."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from trunkpulse.config.certificates import Certificates
from trunkpulse.config.endpoint import Endpoint, family
from trunkpulse.config.profiles import Profile, Profiles, check_limits, merged, tls_files
from trunkpulse.config.report import Location, Report
from trunkpulse.config.schema import AdvancedEntry, TrunkEntry
from trunkpulse.config.trunks import targets_of
from trunkpulse.config.wording import either, shown
from trunkpulse.model import TransportProtocol
from trunkpulse.sip.uri import SipUri

__all__ = ["check_trunks"]

RESERVED_IDS = frozenset({"export", "import"})
"""What the paths of the API itself are called: there such a trunk could not be seen."""


class _Hop(NamedTuple):
    """Where requests are sent to, and where in the trunk's entry that stands."""

    at: Location
    uri: str
    endpoint: Endpoint


def check_trunks(
    trunks: Sequence[TrunkEntry],
    positions: Sequence[int],
    report: Report,
    *,
    folder: Path,
    profiles: Profiles,
    certificates: Certificates,
) -> None:
    """Every trunk agrees with itself and with its profile.

    ``positions`` tells where in the document the entries of ``trunks`` stand, ``folder`` where
    their paths start.
    """
    for position, trunk in zip(positions, trunks, strict=True):
        profile = profiles.find(trunk.profile, report, ("trunks", position, "profile"))
        _check_targets(position, trunk, report)
        if trunk.id in RESERVED_IDS:
            taken = f"must not be {either(sorted(RESERVED_IDS))}, which is a path of the API"
            report.add(("trunks", position, "id"), taken)
        if profile is None:
            continue
        if trunk.keepalive is not None:
            at: Location = ("trunks", position, "keepalive")
            whose = f"profile {shown(profile.name)}"
            check_limits(trunk.keepalive, profile.limits, whose, at, report)
        if trunk.advanced is not None or not profile.plain:
            settings = merged(profile, trunk.advanced, folder)
            hops = _hops(trunk, settings)
            for at, problem in (
                *_of_families(hops, settings),
                *_of_credentials(settings),
                *_of_tls(hops, trunk, settings, profile, certificates),
                *_of_requirements(hops, profile),
                *_of_identity(settings, profile),
            ):
                origin = _origin(at, trunk, profile)
                report.add(("trunks", position, *at), f"{problem}{origin}")


def _origin(at: Location, trunk: TrunkEntry, profile: Profile) -> str:
    """That the profile has set the key at ``at``, if it has and the trunk has not."""
    match at:
        case ("advanced", str(key), *_) if key in profile.advanced.model_fields_set:
            own = trunk.advanced is not None and key in trunk.advanced.model_fields_set
            return "" if own else f" (profile {shown(profile.name)} sets {key})"
        case _:
            return ""


_Problems = Iterator[tuple[Location, str]]
"""(Where in the trunk's entry, what to say of it)."""


def _check_targets(position: int, trunk: TrunkEntry, report: Report) -> None:
    if len(trunk.targets) == 1 and trunk.min_available_targets == 1:
        # Most trunks: with 100,000 of them, what cannot be wrong is not looked at.
        return
    targets = targets_of(trunk)
    endpoints = [Endpoint.of(target) for target in targets]
    count = len(targets)
    # Each address that a name leads to is a target of its own, and only the DNS knows how many.
    if trunk.min_available_targets > count and all(family(each.host) for each in endpoints):
        report.add(
            ("trunks", position, "min_available_targets"),
            f"must be at most the number of targets, {count}, not {trunk.min_available_targets}",
        )
    first: dict[Endpoint, int] = {}
    for place, (target, endpoint) in enumerate(zip(targets, endpoints, strict=True)):
        earlier = first.setdefault(endpoint, place)
        if earlier != place:
            same = targets[earlier]
            another = "" if same == target else f", which is where {shown(target)} leads too"
            report.add(
                ("trunks", position, "targets", place),
                f"must not repeat a target of this trunk, {shown(same)}{another}",
            )


def _hops(trunk: TrunkEntry, settings: AdvancedEntry) -> list[_Hop]:
    if settings.outbound_proxy is not None:
        proxy = settings.outbound_proxy
        return [_Hop(("advanced", "outbound_proxy"), proxy, Endpoint.of(proxy))]
    return [
        _Hop(("targets", place), uri, Endpoint.of(uri))
        for place, uri in enumerate(targets_of(trunk))
    ]


def _of_families(hops: Sequence[_Hop], settings: AdvancedEntry) -> _Problems:
    """A socket of the source's family reaches every hop that is written as an address."""
    if settings.source is None:
        return
    source = settings.source[0]
    for hop in hops:
        if family(hop.endpoint.host) not in {None, family(source)}:
            problem = (
                f"must be at an {family(source)} address like {source}, the source of this"
                f" trunk's probes, not {shown(hop.uri)}"
            )
            yield hop.at, problem


def _of_credentials(settings: AdvancedEntry) -> _Problems:
    if settings.username is not None and settings.password is None:
        problem = 'must stand beside a password, such as password = "env:CARRIER_PASSWORD"'
        yield ("advanced", "username"), problem
    if settings.password is not None and settings.username is None:
        yield ("advanced", "password"), "must stand beside the username that it belongs to"


def _of_tls(
    hops: Sequence[_Hop],
    trunk: TrunkEntry,
    settings: AdvancedEntry,
    profile: Profile,
    certificates: Certificates,
) -> _Problems:
    if trunk.advanced is None or trunk.advanced.tls is None:
        return
    # Where the profile insists on TLS, the URIs are wrong and the table is not.
    over_tls = profile.requires.transport is TransportProtocol.TLS
    if not over_tls and not any(hop.endpoint.may_be_tls for hop in hops):
        problem = (
            "must be left out while nothing is reached over TLS; add "
            '";transport=tls" to the URIs that shall be'
        )
        yield ("advanced", "tls"), problem
        return
    for key, problem in certificates.problems(tls_files(settings)):
        yield ("advanced", "tls", key), problem


def _of_requirements(hops: Sequence[_Hop], profile: Profile) -> _Problems:
    """What the profile requires of the way to the far side."""
    scheme, transport = profile.requires.scheme, profile.requires.transport
    for hop in hops:
        endpoint, begins_well = hop.endpoint, True
        if scheme is not None and not hop.uri.startswith(f"{scheme}:"):
            # What is said of the transport holds for the URI once it begins as it has to.
            begins_well = False
            endpoint = Endpoint.of(f"{scheme}:{hop.uri.partition(':')[2]}")
        leads_well = transport is None or endpoint.transport == transport
        if not begins_well:
            more = "" if leads_well else f' and have ";transport={transport}"'
            problem = (
                f'must begin with "{scheme}:"{more}, {_because(profile)}, not {shown(hop.uri)}'
            )
            yield hop.at, problem
        elif transport is not None and not leads_well:
            problem = (
                f"must be reached over {transport.upper()}, {_because(profile)}; write it with "
                f'";transport={transport}"'
            )
            yield hop.at, problem


def _of_identity(settings: AdvancedEntry, profile: Profile) -> _Problems:
    """What the profile requires of who we say we are."""
    wanted = profile.requires
    if wanted.tls_verify and settings.tls is not None and not settings.tls.verify:
        yield ("advanced", "tls", "verify"), f"must be true, {_because(profile)}"
    contact = _parsed(settings.contact_uri)
    if wanted.contact_is_fqdn and (contact is None or not _is_fqdn(contact)):
        problem = (
            "must be a SIP URI of a full domain name without a user, such as "
            f'"sip:sbc.example.com:5061;transport=tls", {_because(profile)}'
        )
        yield ("advanced", "contact_uri"), problem
    if wanted.from_at_contact_host and (contact is not None or wanted.contact_is_fqdn):
        if wanted.contact_is_fqdn and contact is not None and not _names_domain(contact):
            contact = None  # its host will have to change, so nothing can be compared with it
        yield from _of_sender(_parsed(settings.from_uri), contact, profile)


def _of_sender(sender: SipUri | None, contact: SipUri | None, profile: Profile) -> _Problems:
    """From has no user, and the host of Contact; ``contact`` None: some full domain name."""
    if sender is not None and sender.user is None:
        fits = _names_domain(sender) if contact is None else sender.host == contact.host
        if fits:
            return
    example = "such as " if contact is None else ""
    host = "sbc.example.com" if contact is None else contact.host
    problem = (
        f'must be {example}"sip:{host}", the host of contact_uri without a user, '
        f"{_because(profile)}"
    )
    yield ("advanced", "from_uri"), problem


def _because(profile: Profile) -> str:
    return f"as profile {shown(profile.name)} requires"


@functools.lru_cache(maxsize=1024)
def _parsed(uri: str | None) -> SipUri | None:
    return None if uri is None else SipUri.parse(uri)


def _is_fqdn(uri: SipUri) -> bool:
    return uri.user is None and _names_domain(uri)


def _names_domain(uri: SipUri) -> bool:
    return family(uri.host) is None and "." in uri.host.strip(".")
