"""``scripts/audit.py`` against a database of vulnerabilities of the test's own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from interop.peers.ports import free_port

ROOT = Path(__file__).parent.parent.parent
KNOWN = {
    "vulns": [
        {
            "id": "TEST-2026-1",
            "summary": "A defect of the test's own.",
            "affected": [{"package": {"name": "h11", "ecosystem": "PyPI"}}],
        }
    ]
}


@contextmanager
def database(known_of: str | None) -> Iterator[tuple[str, list[str]]]:
    """A database that knows something of one package at most; gives its URL and who was asked."""
    asked: list[str] = []

    class Database(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["content-length"])))
            name = query["package"]["name"]
            asked.append(name)
            body = json.dumps(KNOWN if name == known_of else {}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Database) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/", asked
        finally:
            server.shutdown()
            serving.join()


def audit(url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "audit.py"), "--osv-url", url]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.parametrize("known_of", ["h11", None])
def test_a_known_vulnerability_fails_the_run_and_none_passes(known_of: str | None) -> None:
    with database(known_of) as (url, asked):
        run = audit(url)
    assert {"h11", "fastapi", "cryptography"} <= set(asked)
    assert run.returncode == (1 if known_of else 0), run.stdout + run.stderr
    assert ("TEST-2026-1" in run.stdout) is bool(known_of)
    assert f"{len(asked)} dependencies audited" in run.stdout


def test_a_database_that_cannot_be_reached_is_no_pass_and_no_failure() -> None:
    run = audit(f"http://127.0.0.1:{free_port('127.0.0.1')}/")
    assert run.returncode == 75
    assert run.stdout == "not audited: cannot reach the database of vulnerabilities\n"


def test_the_run_of_all_tests_says_so_and_goes_on() -> None:
    script = (ROOT / "scripts" / "test").read_text()
    assert 'step "known vulnerabilities" python scripts/audit.py' in script
    assert "not_done=75" in script
