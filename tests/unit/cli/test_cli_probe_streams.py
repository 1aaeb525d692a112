"""``trunkpulse probe`` over TCP and TLS, with good certificates and bad ones."""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certificates import Authority, Issued, self_signed
from interop.peers.ports import free_port
from trunkpulse.config import load_config
from trunkpulse.ports import Address
from unit.cli.command_line import Outcome, command
from unit.cli.far_side import stream_peer


def shows(issued: Issued, clients: Path | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.cert_file, issued.key_file)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def probed(port: int, *more: str, transport: str = "tls") -> Outcome:
    return await command(
        "probe", f"sip:127.0.0.1:{port};transport={transport}", "-c", "2", "-i", "0.05", *more
    )


async def test_a_connection_is_opened_once_and_used_again() -> None:
    async with stream_peer() as port:
        outcome = await probed(port, transport="tcp")
    assert (outcome.code, outcome.err) == (0, "")
    assert f"at 127.0.0.1:{port} over TCP from 127.0.0.1: 2 attempts" in outcome.out
    assert "1 connection opened, 1 probe over an open one.\n" in outcome.out
    assert "Healthy: every attempt was answered 2xx." in outcome.out


async def test_a_far_side_that_closes_after_each_answer_is_healthy_and_told() -> None:
    async with stream_peer(answers_per_connection=1) as port:
        outcome = await probed(port, "--json", transport="tcp")
    document = json.loads(outcome.out)
    assert outcome.code == 0
    assert (document["connections"]["opened"], document["connections"]["reused"]) == (2, 0)
    assert all(attempt["connectMs"] > 0 for attempt in document["attempts"])
    assert "No connection could be used twice" in document["diagnosis"][0]


async def test_a_closed_port_is_refused_over_tcp_too() -> None:
    outcome = await probed(free_port("127.0.0.1"), transport="tcp")
    assert outcome.code == 1
    assert "Not healthy: the port is closed." in outcome.out
    assert "whether it wants UDP or TLS instead of TCP" in outcome.out


async def test_what_is_no_sip_over_a_connection_is_garbled() -> None:
    def script(number: int, data: bytes, source: Address) -> Sequence[bytes]:
        return [b"HTTP/1.1 400 Bad Request\r\n\r\n"]

    async with stream_peer(script) as port:
        outcome = await probed(port, transport="tcp")
    assert outcome.code == 1
    assert "Not healthy: what comes back is no SIP." in outcome.out


async def test_a_good_certificate_is_shown_with_its_facts(authority: Authority) -> None:
    issued = authority.issue("sbc.example.com", "127.0.0.1")
    async with stream_peer(tls=shows(issued)) as port:
        outcome = await probed(port, "--ca-file", str(authority.ca_file), "--json")
        text = await probed(port, "--ca-file", str(authority.ca_file))
    certificate = json.loads(outcome.out)["certificate"]
    assert outcome.code == 0
    assert certificate["subject"] == "CN=sbc.example.com"
    assert certificate["issuer"] == "CN=Test CA"
    assert certificate["names"] == ["sbc.example.com", "127.0.0.1"]
    assert certificate["daysLeft"] in {364, 365}
    assert (certificate["verified"], certificate["problem"]) == (True, None)
    assert certificate["tlsVersion"] == "TLSv1.3"
    assert "TLSv1.3, " in text.out
    assert (
        "Certificate of CN=sbc.example.com for sbc.example.com, 127.0.0.1, issued by CN=Test CA, 36"
        in text.out
    )
    assert "days left, verified.\n" in text.out


async def test_the_recommended_trunk_of_a_tls_probe_loads(
    authority: Authority, tmp_path: Path
) -> None:
    issued = authority.issue("127.0.0.1")
    async with stream_peer(tls=shows(issued)) as port:
        outcome = await probed(port, "--ca-file", str(authority.ca_file), "--json")
    file = tmp_path / "trunks.toml"
    file.write_text(json.loads(outcome.out)["recommendedTrunk"])
    (trunk,) = load_config(file, {}).trunks
    assert trunk.identity.tls.ca_file == str(authority.ca_file)


async def test_a_certificate_that_runs_out_soon_is_told_30_days_ahead(
    authority: Authority,
) -> None:
    end = datetime.now(UTC) + timedelta(days=20, hours=1)
    async with stream_peer(tls=shows(authority.issue("127.0.0.1", not_after=end))) as port:
        outcome = await probed(port, "--ca-file", str(authority.ca_file))
    assert outcome.code == 0
    assert f"runs out on {end:%Y-%m-%d}, in 20 days" in outcome.out


def expired(authority: Authority, folder: Path) -> Issued:
    now = datetime.now(UTC)
    return authority.issue(
        "127.0.0.1", not_before=now - timedelta(days=9), not_after=now - timedelta(days=2)
    )


def wrong_name(authority: Authority, folder: Path) -> Issued:
    return authority.issue("sbc.other.example")


def of_nobody(authority: Authority, folder: Path) -> Issued:
    return self_signed(folder, "127.0.0.1")


def of_strangers(authority: Authority, folder: Path) -> Issued:
    return Authority(folder / "strangers", "Strange CA").issue("127.0.0.1")


@pytest.mark.parametrize(
    ("made", "code", "fragments"),
    [
        (expired, "tls-expired", ["certificate has expired", "has to renew it"]),
        (wrong_name, "tls-wrong-name", ["for sbc.other.example, not for 127", "--server-name"]),
        (of_nobody, "tls-self-signed", ["self-signed certificate", "give it with --ca-file"]),
        (of_strangers, "tls-unknown-authority", ["local issuer", "have the far side send"]),
    ],
)
async def test_a_bad_certificate_is_told_with_what_to_do(
    made: object, code: str, fragments: Sequence[str], authority: Authority, tmp_path: Path
) -> None:
    assert callable(made)
    async with stream_peer(tls=shows(made(authority, tmp_path))) as port:
        outcome = await probed(port, "--ca-file", str(authority.ca_file), "--json")
        insecure = await probed(port, "--insecure")
    document = json.loads(outcome.out)
    assert outcome.code == 1
    assert document["verdict"] == "unsecured"
    (finding,) = document["findings"]
    assert finding["code"] == code
    assert all(fragment in finding["sentence"] for fragment in fragments)
    assert document["certificate"]["verified"] is False
    assert document["certificate"]["problem"] in finding["sentence"]
    assert document["certificate"]["subject"].startswith("CN=")
    assert insecure.code == 0
    assert "The certificate was not verified (--insecure)" in insecure.out
    assert "# The certificate was not verified (--insecure)." in insecure.out
    assert "tls = {" not in insecure.out


async def test_a_far_side_that_wants_our_certificate_is_told_from_others(
    authority: Authority,
) -> None:
    issued, ours = authority.issue("127.0.0.1"), authority.issue("probe.example.com")
    async with stream_peer(tls=shows(issued, authority.ca_file)) as port:
        trusted = ("--ca-file", str(authority.ca_file))
        without = await probed(port, *trusted)
        own = ("--cert-file", str(ours.cert_file), "--key-file", str(ours.key_file))
        with_it = await probed(port, *trusted, *own)
    assert without.code == 1
    assert "--cert-file" in without.out
    assert "days left, verified." in without.out
    assert with_it.code == 0
    assert (
        f'tls = {{ ca_file = "{authority.ca_file}", cert_file = "{ours.cert_file}"' in with_it.out
    )


async def test_a_certificate_of_ours_that_is_not_trusted_is_named_and_theirs_was_verified(
    authority: Authority, tmp_path: Path
) -> None:
    issued = authority.issue("127.0.0.1")
    ours = Authority(tmp_path / "strangers", "Strange CA").issue("probe.example.com")
    async with stream_peer(tls=shows(issued, authority.ca_file)) as port:
        outcome = await probed(
            port,
            "--ca-file", str(authority.ca_file),
            "--cert-file", str(ours.cert_file),
            "--key-file", str(ours.key_file),
            "--json",
        )  # fmt: skip
    document = json.loads(outcome.out)
    (finding,) = document["findings"]
    assert outcome.code == 1
    # The alert may be overtaken by the reset that closes the connection.
    assert finding["code"] in {"tls-client-certificate", "reset"}
    assert str(ours.cert_file) in finding["sentence"]
    assert "--cert-file" not in finding["sentence"]
    assert (document["certificate"]["verified"], document["certificate"]["problem"]) == (True, None)


async def test_a_port_that_speaks_no_tls_is_told() -> None:
    def script(number: int, data: bytes, source: Address) -> Sequence[bytes]:
        return []

    async with stream_peer(script) as port:
        outcome = await probed(port, "-t", "0.5")
    assert outcome.code == 1
    assert "Not healthy: no secure connection could be made." in outcome.out
    assert f"The connection to 127.0.0.1:{port} stands, but the TLS handshake did not end: the" in (
        outcome.out
    )
    assert "port may not speak TLS, so try ;transport=tcp" in outcome.out
    assert "firewall" not in outcome.out
    assert "No connection was opened.\n" in outcome.out


async def test_a_port_that_closes_on_a_handshake_is_told() -> None:
    async with stream_peer(answers_per_connection=0) as port:
        outcome = await probed(port)
    assert outcome.code == 1
    assert "the port may not speak TLS, so try ;transport=tcp" in outcome.out


async def test_a_file_that_cannot_be_used_is_one_sentence_and_exit_2(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.pem"
    outcome = await probed(5061, "--ca-file", str(missing))
    assert outcome.code == 2
    assert "nowhere.pem" in outcome.complaint
