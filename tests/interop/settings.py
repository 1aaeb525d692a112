"""Configurations that decide within a second or two."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

KEEPALIVE = """\
[keepalive]
interval_seconds = 0.5
timeout_seconds = {timeout_seconds}
confirm_interval_seconds = 0.2
down_interval_seconds = 0.5
max_failed_attempts = 3
min_successful_attempts = 2
healthy_responses = {healthy}
"""

TRUNK = """
[[trunks]]
id = "{id}"
targets = ["{target}"]
"""


def trunk(
    name: str, target: str, keepalive: Mapping[str, object] | None = None, /, **advanced: object
) -> str:
    """A trunk with settings of its own, for ``more`` of ``config_file``."""
    lines = [TRUNK.format(id=name, target=target).rstrip()]
    for section, settings in (("keepalive", keepalive or {}), ("advanced", advanced)):
        if settings:
            lines.append(f"[trunks.{section}]")
            lines += [f"{key} = {_toml(value)}" for key, value in settings.items()]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_toml(each)}' for key, each in value.items())} }}"
    if isinstance(value, Path):
        return json.dumps(str(value))
    return json.dumps(value)  # strings, numbers, booleans and lists are written alike


def config_file(
    folder: Path,
    trunks: Mapping[str, str],
    *,
    healthy: Sequence[str] = ("2xx",),
    timeout_seconds: float = 1.0,
    sip: str = "[]",
    more: str = "",
) -> Path:
    """A file for these trunks (id to target), its API on a port that the system chooses."""
    parts = [
        '[instance]\nid = "interop"\n',
        '[api]\nlisten = "127.0.0.1:0"\n',
        f"[sip]\nlisten = {sip}\n",
        KEEPALIVE.format(timeout_seconds=timeout_seconds, healthy=json.dumps(list(healthy))),
        *(TRUNK.format(id=name, target=target) for name, target in trunks.items()),
        more,
    ]
    file = folder / "trunkpulse.toml"
    file.write_text("\n".join(parts))
    return file
