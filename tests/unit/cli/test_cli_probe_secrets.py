"""Where the password of ``trunkpulse probe`` comes from, and where it never shows."""

from __future__ import annotations

import asyncio
import os
import pty
import re
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from trunkpulse.cli.probe_trace import masked
from trunkpulse.ports import Address
from unit.cli.command_line import PROGRAM, command
from unit.cli.far_side import UdpPeer, answer_to

PASSWORD = "wonderland"


def challenging(number: int, data: bytes, source: Address) -> Sequence[bytes]:
    if b"\r\nAuthorization: Digest " in data:
        return [answer_to(data, source)]
    challenge = b'\r\nWWW-Authenticate: Digest realm="r", nonce="abc", qop="auth"'
    answer = answer_to(data, source, 401)
    return [answer.replace(b"\r\nContent-Length", challenge + b"\r\nContent-Length", 1)]


@pytest.mark.parametrize("where", ["TRUNKPULSE_PASSWORD", "env:OTHER", "file"])
async def test_a_challenge_is_met_with_the_password_wherever_it_is(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    more: list[str] = []
    if where == "TRUNKPULSE_PASSWORD":
        monkeypatch.setenv(where, PASSWORD)
    else:
        monkeypatch.setenv("OTHER", PASSWORD)
        more = ["--password", where if where == "env:OTHER" else f"file:{file}"]
    with closing(UdpPeer(challenging)) as peer:
        outcome = await command(
            "probe", peer.uri, "-c", "2", "-i", "0.05", "--username", "alice", "--trace", *more
        )
        first, second, third = peer.requests
    assert outcome.code == 0
    assert first.headers.first("Authorization") is None
    for request in (second, third):
        assert 'username="alice"' in (request.headers.first("Authorization") or "")
    response = re.search('response="([0-9a-f]+)"', second.headers.first("Authorization") or "")
    assert response is not None
    assert response[1] not in outcome.err
    assert 'response="(hidden)"' in outcome.err
    assert PASSWORD not in outcome.out + outcome.err
    assert 'username = "alice"\npassword = "' in outcome.out


async def test_on_a_terminal_the_password_is_asked_for_and_not_shown() -> None:
    with closing(UdpPeer(challenging)) as peer:
        terminal, inner = pty.openpty()
        child: asyncio.subprocess.Process | None = None
        try:
            child = await asyncio.create_subprocess_exec(
                *PROGRAM, "probe", peer.uri, "-c", "1", "--username", "alice",
                stdin=inner, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
            assert child.stderr is not None
            async with asyncio.timeout(60):
                prompt = await child.stderr.readuntil(b": ")
                os.write(terminal, f"{PASSWORD}\n".encode())
                out, err = await child.communicate()
        finally:
            if child is not None and child.returncode is None:
                child.kill()
            os.close(inner)
            os.close(terminal)
    assert prompt == b"Password of alice: "
    assert child.returncode == 0, err
    assert PASSWORD.encode() not in out + err


@pytest.mark.parametrize(
    "line",
    [
        'Authorization: Digest username="a", response="0123456789abcdef", nc=00000001',
        "Proxy-Authorization: Digest RESPONSE = 0123456789abcdef, nc=00000001",
        '  response="0123456789abcdef',
    ],
)
def test_a_digest_response_is_masked_however_it_is_written(line: str) -> None:
    assert "0123456789abcdef" not in masked(line)
    assert masked(line).startswith(line.partition("0123")[0].rstrip('"'))
    assert ("nc=00000001" in line) == ("nc=00000001" in masked(line))
