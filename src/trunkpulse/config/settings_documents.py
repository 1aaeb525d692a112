"""The global settings as a document of the API: keepalive defaults, and what probes call us.

What the file says of them holds; a document may repeat it, and say the rest.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from pydantic import ValidationError

from trunkpulse.config.json_documents import (
    DocumentFindings,
    DocumentRefused,
    GivenSecrets,
    Json,
    Tables,
    camel_case,
    check_sizes,
    check_taken_away,
    merged,
    raw_of,
)
from trunkpulse.config.kinds import Agent
from trunkpulse.config.schema import KeepaliveEntry
from trunkpulse.config.section import Allowed, Section
from trunkpulse.config.settings import Config, SipSettings
from trunkpulse.config.values import healthy_codes
from trunkpulse.model import KeepalivePolicy

__all__ = ["SettingsEntry", "declared_members", "effective", "new_settings", "settings_document"]

_TABLES: Tables = {"keepalive": {}}
_SHOWN_ONLY = ("managedBy", "managedMembers")
"""What an answer has and a document need not; whoever sends back what was read sends them too."""


class SettingsEntry(Section):
    keepalive: Annotated[KeepaliveEntry, Allowed("a table")] = KeepaliveEntry()
    user_agent: Annotated[Agent, Allowed("a text of 1 to 128 printable ASCII characters")] = (
        SipSettings().user_agent
    )


def new_settings(document: Json) -> SettingsEntry:
    """What ``document`` says; raises DocumentRefused."""
    given = {name: value for name, value in document.items() if name not in _SHOWN_ONLY}
    check_taken_away(given, SettingsEntry)
    findings = DocumentFindings(given, SettingsEntry)
    check_sizes(given, findings, {})
    if findings.found:
        raise DocumentRefused(findings.found)
    raw = raw_of(merged({}, given), _TABLES, findings)
    try:
        entry = SettingsEntry.model_validate(raw, context=GivenSecrets(Path(), {}))
    except ValidationError as error:
        findings.add_all(error)
        raise DocumentRefused(findings.found) from None
    if findings.found:
        raise DocumentRefused(findings.found)
    return entry


def settings_document(entry: SettingsEntry) -> dict[str, object]:
    """What was said, as it is kept."""
    said = entry.model_dump(mode="json", exclude_unset=True)
    keepalive = said.get("keepalive")
    document: dict[str, object] = {}
    if keepalive:
        document["keepalive"] = {camel_case(name): value for name, value in keepalive.items()}
    if "user_agent" in said:
        document["userAgent"] = said["user_agent"]
    return document


def effective(config: Config, entry: SettingsEntry) -> tuple[KeepalivePolicy, str]:
    """What trunks inherit and what probes call us: ``entry``, but what the file says first."""
    said = entry.keepalive.model_dump(exclude_unset=True)
    changes = {
        name: value for name, value in said.items() if f"keepalive.{name}" not in config.declared
    }
    if "healthy_responses" in changes:
        changes["healthy_codes"] = healthy_codes(changes["healthy_responses"])
    user_agent = entry.user_agent if "user_agent" in entry.model_fields_set else None
    if user_agent is None or "sip.user_agent" in config.declared:
        user_agent = config.sip.user_agent
    if not changes:
        return config.keepalive, user_agent
    return dataclasses.replace(config.keepalive, **changes), user_agent


def declared_members(config: Config) -> list[str]:
    """The members that the file says, as a document names them."""
    return sorted(
        "userAgent" if name == "sip.user_agent" else camel_case(name) for name in config.declared
    )
