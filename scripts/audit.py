"""Asks a public database of vulnerabilities about every pinned dependency, by pip-audit.

Exits 0 if none is known, 1 if some are or the requirements cannot be read, and ``NOT_AUDITED`` if
the database cannot be reached: that is no defect of the tree, and no pass either. Arguments go to
pip-audit, such as ``--osv-url URL`` for another database, or ``--ignore-vuln ID``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

NOT_AUDITED: Final = 75
"""EX_TEMPFAIL of sysexits.h."""
REQUIREMENTS: Final = Path(__file__).parent.parent / "requirements" / "test.txt"
"""All that is pinned: what is shipped, and what tests it."""
DEADLINE_SECONDS: Final = 300
UNREACHED: Final = ("requests.exceptions.", "ConnectionError", "ServiceError", "Could not connect")


def main(arguments: list[str]) -> int:
    """The exit code; says on standard output what was found."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(REQUIREMENTS)]
        # Everything is pinned with its hash, so nothing has to be resolved or downloaded.
        command += ["--require-hashes", "--disable-pip", "--vulnerability-service", "osv"]
        command += ["--progress-spinner", "off", "--timeout", "10", "--cache-dir", folder]
        command += ["--format", "json", "--output", str(report), *arguments]
        try:
            run = subprocess.run(  # noqa: S603 - our own interpreter
                command, capture_output=True, text=True, check=False, timeout=DEADLINE_SECONDS
            )
        except subprocess.TimeoutExpired:
            print(f"not audited: the database gave no answer within {DEADLINE_SECONDS} s")
            return NOT_AUDITED
        if not report.exists():
            return _without_a_report(run.stderr)
        return _judged(json.loads(report.read_text())["dependencies"])


def _without_a_report(said: str) -> int:
    if any(sign in said for sign in UNREACHED):
        print("not audited: cannot reach the database of vulnerabilities")
        return NOT_AUDITED
    print(said)
    print(f"not audited: pip-audit cannot work with {REQUIREMENTS.name}")
    return 1


def _judged(dependencies: list[dict[str, object]]) -> int:
    audited = [each for each in dependencies if "version" in each]
    vulnerable = 0
    for each in dependencies:
        name = f"{each['name']} {each.get('version', '')}".strip()
        if "version" not in each:
            print(f"{name}: not audited, {each.get('skip_reason', 'for no known reason')}")
        found = each.get("vulns", [])
        assert isinstance(found, list)
        for vulnerability in found:
            vulnerable += 1
            fixed = ", ".join(vulnerability["fix_versions"]) or "none yet"
            print(f"{name}: {vulnerability['id']}; fixed in: {fixed}")
    print(f"{len(audited)} dependencies audited, {vulnerable} known vulnerabilities")
    return 1 if vulnerable or not audited else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
