"""Keepalive settings as a document of the API: what those of one trunk would be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import ValidationError

from trunkpulse.config.inheritance import expecting_too_many_hops
from trunkpulse.config.json_documents import (
    DocumentFindings,
    DocumentRefused,
    GivenSecrets,
    Json,
    check_sizes,
    raw_of,
)
from trunkpulse.config.schema import KeepaliveEntry
from trunkpulse.config.section import Allowed, Section
from trunkpulse.config.trunks import overridden
from trunkpulse.model import KeepalivePolicy, Trunk

__all__ = ["KeepaliveOverrides", "overridden_keepalive"]


class KeepaliveOverrides(Section):
    """What is to be other than it is."""

    keepalive: Annotated[KeepaliveEntry, Allowed("a table of overrides")]


def overridden_keepalive(trunk: Trunk, document: Json) -> KeepalivePolicy:
    """The settings of ``trunk`` with what ``document`` says instead; raises DocumentRefused.

    ``document`` is as a change of the trunk would be: ``{"keepalive": {"jitter": 0.1}}``.
    """
    findings = DocumentFindings(document, KeepaliveOverrides)
    check_sizes(document, findings, {})
    if findings.found:
        raise DocumentRefused(findings.found)
    raw = raw_of(document, {"keepalive": {}}, findings)
    try:
        entry = KeepaliveOverrides.model_validate(raw, context=GivenSecrets(Path(), {}))
    except ValidationError as error:
        findings.add_all(error)
        raise DocumentRefused(findings.found) from None
    if findings.found:
        raise DocumentRefused(findings.found)
    policy = overridden(trunk.keepalive, entry.keepalive)
    return expecting_too_many_hops(policy) if trunk.identity.max_forwards == 0 else policy
