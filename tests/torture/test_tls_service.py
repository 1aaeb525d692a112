"""The real process with TLS of its own, and commands on its machine that trust its certificate."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx2

from certificates import Authority
from torture.peers import world
from torture.service import Installation, route, trunk
from unit.cli.command_line import command

TLS = 'tls = { cert_file = "CERT", key_file = "KEY" }\nhosts = ["trunkpulse.example.com"]\n'


async def test_it_is_served_over_tls_and_a_command_needs_nothing_but_its_file(
    installation: Installation, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "ca")
    issued = authority.issue(
        "trunkpulse.example.com", file="api"
    )  # names no address of this machine
    tls = TLS.replace("CERT", str(issued.cert_file)).replace("KEY", str(issued.key_file))
    async with world() as outside:
        carrier = outside.carrier()
        installation.write(trunk("a", carrier.uri), route("us", "a"))
        text = installation.config.read_text()
        installation.config.write_text(text.replace("[api]\n", f"[api]\n{tls}"))
        async with installation.running(outside.watch) as service:
            assert service.api.startswith("https://127.0.0.1:")
            arguments = ("--config", str(installation.config), "--data", str(installation.data))
            outcome = await command("trunks", "list", *arguments)
            assert (outcome.code, outcome.err) == (0, "")
            assert outcome.out.splitlines()[-1].startswith("a ")
            trust = ssl.create_default_context(cafile=str(authority.ca_file))
            async with httpx2.AsyncClient(verify=trust, trust_env=False) as http:
                answer = await http.get(
                    f"{service.api}/healthz",
                    headers={"host": "trunkpulse.example.com"},
                    extensions={"sni_hostname": "trunkpulse.example.com"},
                )
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            assert await service.end() == 0
