#!/usr/bin/env python3
"""Writes those parts of the documentation that the program itself knows best.

In a page such a part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``. Tables and
diagrams of states are read from the tables that decide them, references from the schema, from the
command line, and from a real instance that runs for a moment on loopback.

    scripts/docs            rewrite the parts that changed
    scripts/docs --check    change nothing; exit 1 and name the pages that are out of date
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog
from generators import advice, commands, configuration, events, presets, states, timing
from generators.living import METHODS, Access, Observed, observe
from generators.markdown import table

from trunkpulse.access import Permission
from trunkpulse.access.roles import BUILT_IN_ROLES

ROOT = Path(__file__).resolve().parent.parent
PART = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def endpoints(seen: Observed) -> str:
    """Every operation of the API, readers before writers within a path."""
    return table(
        ("method", "path", "parameters", "what it does"),
        (
            (f"`{each.method.upper()}`", f"`{each.path}`", ", ".join(each.parameters), each.summary)
            for each in sorted(seen.endpoints, key=lambda each: METHODS.index(each.method))
        ),
    )


def access_table(seen: Observed) -> str:
    """Every operation of the API, and who may use it."""
    return table(
        ("method", "path", "permission", "scope", "roles", "limited callers"),
        (
            (f"`{each.method.upper()}`", f"`{each.path}`", *access_cells(each.access))
            for each in sorted(seen.endpoints, key=lambda each: METHODS.index(each.method))
        ),
    )


def access_cells(access: Access) -> tuple[str, str, str, str]:
    """Permission, scope, built-in roles, and what it is to those who are limited."""
    limited = "refused" if access.refuses_limited else "allowed"
    if access.permission is None:
        return ("everybody" if access.public else "anybody signed in", "", "", limited)
    permission = Permission(access.permission)
    roles = [f"`{role.id}`" for role in BUILT_IN_ROLES if permission in role.permissions]
    return f"`{permission.value}`", f"`{permission.scope}`", ", ".join(roles), limited


def metrics(seen: Observed) -> str:
    """Every metric of trunkpulse's own."""
    return table(
        ("metric", "type", "labels", "meaning"),
        (
            (f"`{each.name}`", each.kind, ", ".join(f"`{name}`" for name in each.labels), each.help)
            for each in seen.metrics
        ),
    )


def parts() -> dict[str, str]:
    """Every generated part by its name."""
    with tempfile.TemporaryDirectory() as folder:
        seen = asyncio.run(observe(Path(folder)))
    return {
        "access-table": access_table(seen),
        "advice-codes": advice.advice_codes(),
        "command-line": commands.command_line(),
        "configuration": configuration.configuration(),
        "connection-options": commands.connection_options(),
        "detection-times": timing.detection_times(),
        "endpoints": endpoints(seen),
        "event-types": events.event_types(),
        "failure-kinds": states.failure_kinds(),
        "metrics": metrics(seen),
        "profile-keys": configuration.profile_keys(),
        "profiles": presets.profiles(),
        "rollup-table": states.rollup_table(),
        "target-diagram": states.target_diagram(),
        "target-rules": states.target_rules(),
        "transaction-rules": states.transaction_rules(),
        "trunk-diagram": states.trunk_diagram(),
    }


def outdated(made: Mapping[str, str]) -> dict[Path, str]:
    """The pages that should read otherwise, with what they should read."""
    found: dict[Path, str] = {}
    placed: set[str] = set()
    for page in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]):
        text = page.read_text(encoding="utf-8")
        placed.update(match["name"] for match in PART.finditer(text))
        wanted = PART.sub(lambda match: f"{match[1]}{made[match['name']]}{match[3]}", text)
        if wanted != text:
            found[page] = wanted
    if missing := made.keys() - placed:
        raise SystemExit(f"No page has a place for {', '.join(sorted(missing))}; give it one.")
    return found


def main(arguments: Sequence[str]) -> int:
    """Rewrite, or only check; returns the exit code."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))  # warnings
    pages = outdated(parts())
    names = ", ".join(str(page.relative_to(ROOT)) for page in pages)
    if "--check" in arguments:
        if pages:
            sys.stderr.write(
                f"Out of date: {names}; run scripts/docs and commit what it changes.\n"
            )
        return 1 if pages else 0
    for page, text in pages.items():
        page.write_text(text, encoding="utf-8")
    sys.stdout.write(f"Rewritten: {names}\n" if pages else "Everything is up to date.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
