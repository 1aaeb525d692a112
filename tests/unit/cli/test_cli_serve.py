from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from interop.peers.ports import free_port
from unit.cli.command_line import command, process

CONFIG = """
[api]
listen = "127.0.0.1:{port}"
[sip]
listen = []
[[trunks]]
id = "carrier-a"
targets = ["sip:127.0.0.1:9"]
"""


async def test_a_service_serves_until_sigterm_and_is_found_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "trunkpulse.toml"
    file.write_text(CONFIG.format(port=free_port("127.0.0.1")))
    async with process("serve", "-c", str(file), "--data", str(tmp_path)) as child:
        assert child.stderr is not None
        while b"event=ready" not in (line := await child.stderr.readline()):
            assert line
        listed = await command("trunks", "list", "--config", str(file))
        child.send_signal(signal.SIGTERM)
        assert await child.wait() == 0
    assert (listed.code, listed.err) == (0, "")
    assert "carrier-a" in listed.out


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("[api", "is not valid TOML"),
        ('[api]\nlisten = "127.0.0.1:PORT"\n[sip]\nlisten = []\n', "another program does"),
    ],
)
async def test_a_service_that_cannot_start_is_one_plain_sentence(
    tmp_path: Path, text: str, fragment: str
) -> None:
    file = tmp_path / "trunkpulse.toml"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        file.write_text(text.replace("PORT", str(taken.getsockname()[1])))
        async with process("serve", "--config", str(file), "--data", str(tmp_path)) as child:
            out, err = await child.communicate()
    assert (child.returncode, out) == (2, b"")
    assert fragment in err.decode().splitlines()[-1]
    assert "Traceback" not in err.decode()
