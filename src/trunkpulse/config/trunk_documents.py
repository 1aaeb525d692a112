"""Trunks as the documents of the API: in camelCase, and with secrets as they are.

What may stand in a document is what may stand in the file, and the sentences are the same. Two
things may not: files of this machine (certificates, profiles of one's own), because whoever may
edit trunks need not be allowed to read them. A change is a JSON Merge Patch (RFC 7396) of what was
said of the trunk so far; what was never said goes on being inherited.

Of a trunk that was made so, ``said`` is kept beside the trunk itself: everything but its id, name,
targets and secrets, as JSON. Most of a hundred thousand trunks say one of a few things, and share
that text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from trunkpulse.config.certificates import Certificates
from trunkpulse.config.endpoint import Endpoint
from trunkpulse.config.inheritance import Inheritance
from trunkpulse.config.json_documents import (
    DocumentFindings,
    DocumentRefused,
    GivenSecrets,
    Json,
    Tables,
    check_sizes,
    check_taken_away,
    merged,
    raw_of,
)
from trunkpulse.config.profiles import Profiles
from trunkpulse.config.report import Location
from trunkpulse.config.schema import TrunkEntry
from trunkpulse.config.trunk_checks import check_trunks
from trunkpulse.config.trunks import Trunks
from trunkpulse.config.values import BUILT_IN_PROFILES, is_profile_path
from trunkpulse.config.wording import either, printable
from trunkpulse.model import KeepalivePolicy, Trunk
from trunkpulse.sip.uri import plain_address

__all__ = [
    "FILES",
    "HAS_PASSWORD",
    "HEADER_NAMES",
    "DocumentRefused",
    "MadeTrunk",
    "TrunkDocuments",
    "document_of",
    "secrets_of",
]

MOST_SHARED = 20_000
"""Settings that are remembered so that trunks can share them."""

_TABLES: Tables = {"keepalive": {}, "advanced": {"tls": {}}}
FILES = ("ca_file", "cert_file", "key_file")
HAS_PASSWORD, HEADER_NAMES = "hasPassword", "headerNames"
"""What stands in ``advanced`` for secrets that are kept elsewhere."""
_OWN = ("id", "name", "targets")


class MadeTrunk(NamedTuple):
    """A trunk of the API, and what was said of it."""

    trunk: Trunk
    said: str
    """JSON; see the module's opening."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """A document, taken apart."""

    document: Json
    secrets: Mapping[str, str]


class _TrunkFindings(DocumentFindings):
    """The findings of one trunk's document, wherever the checks think that it stands."""

    def __init__(self, document: Json) -> None:
        super().__init__(document, TrunkEntry)

    def add(self, location: Location, predicate: str) -> None:
        """As in the file, but in the words of JSON, and of this trunk."""
        super().add(location[2:] if location[:1] == ("trunks",) else location, predicate)


class TrunkDocuments:
    """Makes trunks of documents, under the global defaults of the moment."""

    def __init__(self, default: KeepalivePolicy) -> None:
        """``default`` is what they inherit."""
        self._default = default
        self._certificates = Certificates()
        self._renew()

    def _renew(self) -> None:
        self._profiles = Profiles(GivenSecrets(Path(), {}), self._certificates)
        self._trunks = Trunks(self._default, self._profiles, None)
        self._kinds: dict[str, Trunk] = {}
        """By what was said: a trunk with one target that differs from others in nothing else."""
        self._texts: dict[str, str] = {}
        self._made = 0

    def new(self, document: Json) -> MadeTrunk:
        """The trunk that ``document`` describes; raises DocumentRefused."""
        return self._made_of(merged({}, document))

    def changed(self, made: MadeTrunk, patch: Json) -> MadeTrunk:
        """``made`` as ``patch`` changes it; raises DocumentRefused.

        Secrets that were entrusted to one place are not taken to another: who may change where
        probes go need not know them.
        """
        if patch.get("id", made.trunk.id) != made.trunk.id:
            raise DocumentRefused([("id", "id cannot be changed; make another trunk instead.")])
        check_taken_away(patch, TrunkEntry)
        before = document_of(made, with_secrets=True)
        patch = _without_what_is_shown(made, patch)
        changed = self._made_of(merged(before, patch))
        if _goes_elsewhere(made.trunk, changed.trunk):
            _check_given_again(made, changed, patch)
        return changed

    def listed(self, document: Json, before: MadeTrunk | None = None) -> MadeTrunk:
        """The trunk that ``document``, an element of a list, describes whole; see `changed`.

        A list says that there are secrets and not which: they stay as ``before`` has them.
        """
        advanced = document.get("advanced")
        given = advanced if isinstance(advanced, Mapping) else {}
        if HAS_PASSWORD in given or HEADER_NAMES in given:
            document = {**document, "advanced": _with_known(given, before)}
        made = self.new(document)
        if before is not None and _goes_elsewhere(before.trunk, made.trunk):
            _check_given_again(before, made, {"advanced": given})
        return made

    def restored(self, document: Json, secrets: Mapping[str, str]) -> MadeTrunk:
        """A trunk as it was kept, with its ``secrets`` opened; raises DocumentRefused."""
        if not secrets:
            trunk_id, name, targets = (document.get(key) for key in _OWN)
            said = _said(document)
            kind = self._kinds.get(said)
            if (
                kind is not None
                and isinstance(targets, list)
                and len(targets) == 1
                and isinstance(targets[0], str)
                and plain_address(targets[0]) is not None
            ):
                trunk = self._trunks.like(kind, str(trunk_id), str(name or trunk_id), targets[0])
                return MadeTrunk(trunk, self._texts[said])
        return self._made_of(_with_secrets(document, secrets))

    def under(self, default: KeepalivePolicy) -> tuple[TrunkDocuments, Inheritance]:
        """The same for other defaults, and what puts trunks under them."""
        return TrunkDocuments(default), Inheritance(default)

    def _made_of(self, document: Json) -> MadeTrunk:
        findings = _TrunkFindings(document)
        check_sizes(document, findings, {})
        if findings.found:
            raise DocumentRefused(findings.found)
        raw = raw_of(document, _TABLES, findings)
        try:
            entry = TrunkEntry.model_validate(raw, context=GivenSecrets(Path(), {}))
        except ValidationError as error:
            findings.add_all(error)
            raise DocumentRefused(findings.found) from None
        for at, predicate in _of_the_api(entry):
            findings.add(at, predicate)
        if not findings.found:
            check_trunks(
                [entry],
                [0],
                findings,
                folder=Path(),
                profiles=self._profiles,
                certificates=self._certificates,
            )
        if findings.found:
            raise DocumentRefused(findings.found)
        self._made += 1
        if self._made > MOST_SHARED:
            self._renew()
            self._profiles.find(entry.profile, findings, ("profile",))
        trunk = self._trunks.trunk(entry)
        said = _said(document)
        said = self._texts.setdefault(said, said)
        if entry.advanced is None and len(trunk.targets) == 1 and self._trunks.is_plain(entry):
            self._kinds.setdefault(said, trunk)
        return MadeTrunk(trunk, said)


def document_of(made: MadeTrunk, *, with_secrets: bool = False) -> dict[str, object]:
    """All that was said of a trunk; secrets themselves only if asked for.

    Without them ``advanced`` says ``hasPassword`` and ``headerNames`` instead.
    """
    trunk = made.trunk
    said: dict[str, object] = json.loads(made.said)
    own: dict[str, object] = {"id": trunk.id}
    if trunk.name != trunk.id:
        own["name"] = trunk.name
    if trunk.weights:
        own["targets"] = [
            {"uri": uri, "weight": weight}
            for uri, weight in zip(trunk.targets, trunk.weights, strict=True)
        ]
    else:
        own["targets"] = list(trunk.targets)
    document = {**own, **said}
    return _with_secrets(document, secrets_of(made)) if with_secrets else document


def secrets_of(made: MadeTrunk) -> dict[str, str]:
    """The secrets that were said of a trunk, by name; what its profile says is none of them."""
    if '"advanced"' not in made.said:
        return {}
    advanced = json.loads(made.said).get("advanced", {})
    identity = made.trunk.identity
    found: dict[str, str] = {}
    if advanced.get(HAS_PASSWORD) and identity.credentials is not None:
        found["password"] = identity.credentials.password
    if advanced.get(HEADER_NAMES):
        found["headers"] = json.dumps(dict(identity.headers))
    return found


def _without_what_is_shown(made: MadeTrunk, patch: Json) -> Json:
    """``patch``; what only says that there are the secrets that there are, changes nothing."""
    advanced = patch.get("advanced")
    if not isinstance(advanced, Mapping):
        return patch
    shown = json.loads(made.said).get("advanced", {})
    changes = {
        name: value
        for name, value in advanced.items()
        if name not in (HAS_PASSWORD, HEADER_NAMES) or value != shown.get(name)
    }
    return {**patch, "advanced": changes}


def _with_known(advanced: Json, before: MadeTrunk | None) -> dict[str, object]:
    """``advanced`` with the secrets that it says it has, as far as ``before`` has them."""
    kept = {} if before is None else secrets_of(before)
    members = {**advanced}
    problems: list[tuple[str, str]] = []
    if members.pop(HAS_PASSWORD, None) is True and "password" not in members:
        if "password" in kept:
            members["password"] = kept["password"]
        else:
            problems.append(
                ("advanced.password", "advanced.password must be given; no export holds it.")
            )
    names = members.pop(HEADER_NAMES, None)
    headers = members.get("headers", {})
    if isinstance(names, list) and isinstance(headers, Mapping):
        known = {**json.loads(kept.get("headers", "{}")), **headers}
        members["headers"] = {str(name): known.get(str(name)) for name in names} | {**headers}
        missing = [str(name) for name in names if str(name) not in known]
        if missing:
            listed = printable(", ".join(missing))
            sentence = f"advanced.headers must be given with {listed}; no export holds the values."
            problems.append(("advanced.headers", sentence))
    if problems:
        raise DocumentRefused(problems)
    return members


def _said(document: Json) -> str:
    """What is kept beside the trunk."""
    rest = {name: value for name, value in document.items() if name not in _OWN}
    advanced = rest.get("advanced")
    if isinstance(advanced, Mapping):
        shown = {**advanced}
        if shown.pop("password", None) is not None:
            shown[HAS_PASSWORD] = True
        headers = shown.pop("headers", None)
        if isinstance(headers, Mapping):
            shown[HEADER_NAMES] = list(headers)
        rest["advanced"] = shown
    return json.dumps(rest, sort_keys=True)


def _with_secrets(document: Json, secrets: Mapping[str, str]) -> dict[str, object]:
    advanced = document.get("advanced")
    if not isinstance(advanced, Mapping):
        return dict(document)
    whole = {name: value for name, value in advanced.items() if name != HAS_PASSWORD}
    names = whole.pop(HEADER_NAMES, None)
    if "password" in secrets:
        whole["password"] = secrets["password"]
    if "headers" in secrets:
        whole["headers"] = json.loads(secrets["headers"])
    elif names is not None:
        whole["headers"] = {}
    return {**document, "advanced": whole}


def _of_the_api(entry: TrunkEntry) -> Iterator[tuple[Location, str]]:
    """What the file may say and a document may not."""
    if is_profile_path(entry.profile):
        yield (
            ("profile",),
            (
                f"must be {either(BUILT_IN_PROFILES)} here; a profile of your own can be named in"
                " the configuration file alone"
            ),
        )
    if entry.advanced is None or entry.advanced.tls is None:
        return
    for key in FILES:
        if getattr(entry.advanced.tls, key) is not None:
            yield (
                ("advanced", "tls", key),
                (
                    "must be left out here; files of this machine can be named in the"
                    " configuration file alone"
                ),
            )


def _places(trunk: Trunk) -> frozenset[tuple[str, int | None, str | None]]:
    """Whom the trunk's secrets are shown to, and over what."""
    proxy = trunk.identity.outbound_proxy
    ends = map(Endpoint.of, (proxy,) if proxy else trunk.targets)
    return frozenset((each.host, each.port, each.transport) for each in ends)


def _goes_elsewhere(before: Trunk, after: Trunk) -> bool:
    """True if secrets could now be shown to somebody whom they were not entrusted to."""
    known, new = before.identity.tls, after.identity.tls
    # Unverified anybody in the middle could be the place, so nothing that verifies is another one.
    judged_otherwise = known.verify and (not new.verify or new.server_name != known.server_name)
    return judged_otherwise or not _places(after) <= _places(before)


def _check_given_again(before: MadeTrunk, after: MadeTrunk, patch: Json) -> None:
    """What is still there after a move has to have come with it, each header by its name."""
    advanced = patch.get("advanced")
    given = advanced if isinstance(advanced, Mapping) else {}
    headers = given.get("headers")
    named = headers if isinstance(headers, Mapping) else {}
    old, new = secrets_of(before), secrets_of(after)
    members = []
    if "password" in old and "password" in new and "password" not in given:
        members.append("advanced.password")
    if "headers" in old and "headers" in new:
        kept = set(json.loads(old["headers"])) & set(json.loads(new["headers"])) - set(named)
        members += [f"advanced.headers.{name}" for name in sorted(kept)]
    why = "must be given again, or null: probes could now show it to somebody else."
    if members:
        raise DocumentRefused([(member, f"{member} {why}") for member in members])
