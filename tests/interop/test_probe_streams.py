"""``trunkpulse probe`` over TCP and TLS: connections, certificates, and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from certificates import Authority, Issued, self_signed
from interop.peers import odd
from interop.peers.kamailio import ServerIdentity, running_kamailio
from interop.service import serving, trunkpulse
from interop.settings import config_file, trunk
from trunkpulse.model import TransportProtocol

pytestmark = pytest.mark.interop

QUICKLY = ("--count", "3", "--interval", "0.1", "--timeout", "2", "--json")
SECOND_MS = 1000


async def probed(folder: Path, uri: str, *options: str) -> tuple[int, Any]:
    """The exit code of ``trunkpulse probe``, and its report."""
    outcome = await trunkpulse("probe", uri, *options, *QUICKLY, folder=folder)
    return outcome.code, json.loads(outcome.output)


def codes(report: Any) -> set[str]:
    return {finding["code"] for finding in report["findings"]}


def in_days(days: float) -> datetime:
    return (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)


async def test_probe_of_kamailio_over_tcp_uses_one_connection(tmp_path: Path) -> None:
    async with running_kamailio(tmp_path / "kamailio", protocol=TransportProtocol.TCP) as far_side:
        code, report = await probed(tmp_path, far_side.uri)
        assert (code, report["verdict"]) == (0, "healthy")
        assert report["connections"]["opened"] == 1
        assert report["connections"]["reused"] == 2
        assert report["certificate"] is None
        assert "kamailio" in report["farSide"]["software"]


async def test_probe_of_kamailio_over_tls_tells_of_its_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "certificates")
    end = in_days(90)
    own = authority.issue("127.0.0.1", "sbc.example.com", not_after=end)
    identity = ServerIdentity(own=own, ca_file=authority.ca_file)
    async with running_kamailio(
        tmp_path / "kamailio", protocol=TransportProtocol.TLS, identity=identity
    ) as far_side:
        code, report = await probed(tmp_path, far_side.uri, "--ca-file", str(authority.ca_file))
        assert (code, report["verdict"]) == (0, "healthy")
        certificate = report["certificate"]
        assert certificate["verified"] is True
        assert set(certificate["names"]) == {"127.0.0.1", "sbc.example.com"}
        assert certificate["notAfter"] == end.timestamp() * SECOND_MS
        assert certificate["tlsVersion"] == "TLSv1.3"
        assert report["connections"]["opened"] == 1
        assert "certificate-expires" not in codes(report)


async def test_certificate_that_runs_out_soon_is_told_by_probe_and_as_a_metric(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path / "certificates")
    end = in_days(10)
    async with odd.odd_over_streams(
        odd.answers, authority.issue(odd.HOST, not_after=end)
    ) as far_side:
        code, report = await probed(tmp_path, far_side.uri, "--ca-file", str(authority.ca_file))
        assert (code, report["verdict"]) == (0, "healthy")
        assert "certificate-expires" in codes(report)

        carrier = trunk("carrier", far_side.uri, tls={"ca_file": authority.ca_file})
        async with serving(config_file(tmp_path, {}, more=carrier)) as service:
            await service.changes("carrier", 1)
            metric = "trunkpulse_target_certificate_expiry_timestamp_seconds{"
            [line] = [
                line for line in (await service.metrics()).splitlines() if line.startswith(metric)
            ]
            assert 'trunk="carrier"' in line
            assert float(line.rpartition(" ")[2]) == end.timestamp()


def expired(authority: Authority, folder: Path) -> Issued:
    return authority.issue(odd.HOST, not_before=in_days(-90), not_after=in_days(-1))


def of_another_name(authority: Authority, folder: Path) -> Issued:
    return authority.issue("sbc.other.example")


def of_nobody(authority: Authority, folder: Path) -> Issued:
    return self_signed(folder, odd.HOST)


@pytest.mark.parametrize(
    ("make", "words"),
    [(expired, "expired"), (of_another_name, "sbc.other.example"), (of_nobody, "self-signed")],
)
async def test_probe_says_what_is_wrong_with_a_certificate_and_shows_it(
    make: Callable[[Authority, Path], Issued], words: str, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "certificates")
    shown = make(authority, tmp_path / "certificates")
    trusting = ("--ca-file", str(authority.ca_file))
    async with odd.odd_over_streams(odd.answers, shown) as far_side:
        code, report = await probed(tmp_path, far_side.uri, *trusting)
        assert (code, report["verdict"]) == (1, "unsecured")
        assert words in " ".join(report["diagnosis"])
        assert report["certificate"]["verified"] is False
        assert far_side.requests.entries == []

        code, report = await probed(tmp_path, far_side.uri, "--insecure")
        assert (code, report["verdict"]) == (0, "healthy")
        assert "insecure" in codes(report)


@pytest.mark.parametrize(
    ("habit", "verdict"),
    [
        (odd.hangs_up_without_an_answer, "broken_off"),
        (odd.cuts_the_connection, "broken_off"),
        (odd.speaks_http, "garbled"),
    ],
)
async def test_probe_says_what_is_wrong_with_a_connection(
    habit: odd.StreamHabit, verdict: str, tmp_path: Path
) -> None:
    async with odd.odd_over_streams(habit) as far_side:
        code, report = await probed(tmp_path, far_side.uri)
        assert (code, report["verdict"]) == (1, verdict)


async def test_connection_that_is_closed_after_each_answer_is_a_note_and_healthy(
    tmp_path: Path,
) -> None:
    async with odd.odd_over_streams(odd.answers_and_hangs_up) as far_side:
        code, report = await probed(tmp_path, far_side.uri)
        assert (code, report["verdict"]) == (0, "healthy")
        assert "not-reused" in codes(report)
