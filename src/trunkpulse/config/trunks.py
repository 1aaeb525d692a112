"""From a trunk's entry to the trunk: default, ``[keepalive]``, profile and its own, in this order.

Trunks with equal settings share one object, be it a policy or an identity: with 100,000 of them
that is what memory is made of, and what the prober groups its targets by.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from trunkpulse.config.inheritance import expecting_too_many_hops, kept_apart, raised
from trunkpulse.config.profiles import Profile, Profiles, merged
from trunkpulse.config.schema import (
    EVEN_WEIGHT,
    AdvancedEntry,
    KeepaliveEntry,
    TargetEntry,
    TlsEntry,
    TrunkEntry,
)
from trunkpulse.config.settings import Config
from trunkpulse.config.stamps import FileStamps
from trunkpulse.config.values import healthy_codes
from trunkpulse.model import KeepalivePolicy, ProbeIdentity, TlsSettings, Trunk
from trunkpulse.sip.digest import Credentials

__all__ = ["Trunks", "overridden", "targets_of"]

_DEFAULTS = frozenset(KeepaliveEntry.model_fields)
_NOTHING_SPECIAL = ProbeIdentity()


class Trunks:
    """Makes the trunks of one configuration. Their entries and profiles have been checked."""

    default: KeepalivePolicy
    """What a trunk without a profile inherits."""

    def __init__(
        self,
        keepalive: KeepaliveEntry | KeepalivePolicy,
        profiles: Profiles,
        file: Path | None,
        present: Config | None = None,
    ) -> None:
        """``present`` is what is in force: equal trunks, policies and identities are taken over.

        ``file`` None: they are made through the API. ``keepalive`` is what they inherit.
        """
        known = () if present is None else present.trunks
        self._present = {trunk.id: trunk for trunk in known}
        # A million trunks have few policies; hashing one for each would be felt.
        policies = {id(trunk.keepalive): trunk.keepalive for trunk in known}.values()
        identities = {id(trunk.identity): trunk.identity for trunk in known}.values()
        self._policies = {(policy, policy.inherited): policy for policy in policies}
        self._identities = {identity: identity for identity in identities}
        self._identities.setdefault(_NOTHING_SPECIAL, _NOTHING_SPECIAL)
        if isinstance(keepalive, KeepaliveEntry):
            keepalive = overridden(KeepalivePolicy(), keepalive)
        if keepalive.inherited != _DEFAULTS:
            keepalive = dataclasses.replace(keepalive, inherited=_DEFAULTS)
        self.default = self._shared(keepalive)
        self._profiles = profiles
        self._file = None if file is None else sys.intern(file.name)
        self._folder = Path() if file is None else file.parent
        self._stamps = FileStamps()
        self._inherited: dict[str, KeepalivePolicy] = {}
        """Name of a profile -> what its trunks inherit."""
        self._by_overrides: dict[tuple[object, ...], KeepalivePolicy] = {}

    def trunk(self, entry: TrunkEntry) -> Trunk:
        """The trunk that ``entry`` describes."""
        profile = self._profiles[entry.profile]
        identity = _NOTHING_SPECIAL
        if entry.advanced is not None or not profile.plain:
            identity = self._identity(merged(profile, entry.advanced, self._folder))
        trunk = Trunk(
            id=entry.id,
            name=entry.name or entry.id,
            targets=targets_of(entry),
            weights=_weights(entry) if len(entry.targets) > 1 else (),
            direction=entry.direction,
            region=None if entry.region is None else sys.intern(entry.region),
            carrier=None if entry.carrier is None else sys.intern(entry.carrier),
            min_available_targets=entry.min_available_targets,
            enabled=entry.enabled,
            profile=profile.name,
            keepalive=self._policy(profile, entry.keepalive, identity.max_forwards),
            identity=identity,
            managed_by=self._file,
        )
        return self._shared_with_present(trunk)

    def is_plain(self, entry: TrunkEntry) -> bool:
        """True if its profile neither says nor asks anything of its trunks' requests."""
        return self._profiles[entry.profile].plain

    def like(self, other: Trunk, trunk_id: str, name: str, target: str) -> Trunk:
        """A trunk like ``other``, which has one target and nothing else of its own."""
        return self._shared_with_present(other.alike(trunk_id, name, target))

    def _shared_with_present(self, trunk: Trunk) -> Trunk:
        known = self._present.get(trunk.id)
        if known is None or known != trunk:
            return trunk
        return known if known.keepalive.inherited == trunk.keepalive.inherited else trunk

    def _policy(
        self, profile: Profile, entry: KeepaliveEntry | None, max_forwards: int
    ) -> KeepalivePolicy:
        if entry is None and max_forwards > 0:
            inherited = self._inherited.get(profile.name)
            if inherited is None:
                inherited = self._shared(self._settled(profile, self._from_profile(profile)))
                self._inherited[profile.name] = inherited
            return inherited
        overrides = () if entry is None else sorted(entry.model_fields_set)
        values = tuple((key, getattr(entry, key)) for key in overrides)
        known_as = (profile.name, values, max_forwards == 0)
        policy = self._by_overrides.get(known_as)
        if policy is None:
            policy = self._from_profile(profile)
            if entry is not None:
                policy = overridden(policy, entry)
            policy = self._settled(profile, policy)
            if max_forwards == 0:
                policy = expecting_too_many_hops(policy)
            # Other overrides may amount to the same settings.
            policy = self._by_overrides[known_as] = self._shared(policy)
        return policy

    def _from_profile(self, profile: Profile) -> KeepalivePolicy:
        """What a trunk of this profile starts from."""
        policy = overridden(self.default, profile.keepalive)
        least = profile.limits.minimum_interval_seconds
        if least is None:
            return policy
        return dataclasses.replace(policy, **raised(policy, least))

    @staticmethod
    def _settled(profile: Profile, policy: KeepalivePolicy) -> KeepalivePolicy:
        """``policy`` with no more jitter than leaves the profile's limit between attempts."""
        least = profile.limits.minimum_interval_seconds
        return policy if least is None else kept_apart(policy, least)

    def _shared(self, policy: KeepalivePolicy) -> KeepalivePolicy:
        return self._policies.setdefault((policy, policy.inherited), policy)

    def _identity(self, entry: AdvancedEntry) -> ProbeIdentity:
        identity = ProbeIdentity(
            from_uri=entry.from_uri,
            to_uri=entry.to_uri,
            contact_uri=entry.contact_uri,
            request_uri=entry.request_uri,
            headers=entry.headers,
            max_forwards=entry.max_forwards,
            outbound_proxy=entry.outbound_proxy,
            source=entry.source,
            enable_nat=entry.enable_nat,
            advertised_address=entry.advertised_address,
            credentials=_credentials(entry),
            tls=_tls(entry.tls, self._stamps),
        )
        return self._identities.setdefault(identity, identity)


def targets_of(entry: TrunkEntry) -> tuple[str, ...]:
    """The URIs of the targets, with or without a weight."""
    return tuple([target if isinstance(target, str) else target.uri for target in entry.targets])


def _weights(entry: TrunkEntry) -> tuple[int, ...]:
    weights = tuple([
        target.weight if isinstance(target, TargetEntry) else EVEN_WEIGHT
        for target in entry.targets
    ])  # fmt: skip
    return () if len(set(weights)) == 1 else weights


def overridden(policy: KeepalivePolicy, entry: KeepaliveEntry) -> KeepalivePolicy:
    """``policy`` with what the file sets in ``entry``."""
    changes = entry.model_dump(exclude_unset=True)
    inherited = policy.inherited.difference(changes)
    if "healthy_responses" in changes:
        changes["healthy_codes"] = healthy_codes(entry.healthy_responses)
    return dataclasses.replace(policy, **changes, inherited=inherited)


def _credentials(entry: AdvancedEntry) -> Credentials | None:
    if entry.username is None or entry.password is None:
        return None
    return Credentials(entry.username, entry.password)


def _tls(entry: TlsEntry | None, stamps: FileStamps) -> TlsSettings:
    if entry is None:
        return TlsSettings()
    return TlsSettings(
        verify=entry.verify,
        ca_file=entry.ca_file,
        cert_file=entry.cert_file,
        key_file=entry.key_file,
        server_name=entry.server_name,
        stamp=stamps.of(entry.ca_file, entry.cert_file, entry.key_file),
    )
