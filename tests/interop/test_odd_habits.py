"""Far sides as one meets them: each legal habit is healthy, each illegal one is down and explained.

SIPp plays those that are SIP as it should be, in an order that it should not be; ``peers/odd.py``
plays the others. The whole service probes them, as a process of its own.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from certificates import Authority, self_signed
from interop.peers import odd
from interop.peers.odd import AskedByDatagram, DatagramHabit, FarSide, StreamHabit
from interop.peers.ports import free_port
from interop.peers.sipp import answering
from interop.service import Service, serving
from interop.settings import config_file, trunk

pytestmark = pytest.mark.interop

ATTEMPTS_THAT_DECIDE = 3
HOUR_MS = 3_600_000
DOMAIN = "sbc.example.com"


def name_of(habit: DatagramHabit | StreamHabit) -> str:
    return str(getattr(habit, "__name__", habit))


async def first_change(service: Service) -> tuple[dict[str, Any], dict[str, Any]]:
    """The carrier's first change, and the evidence for it."""
    [change] = await service.changes("carrier", 1)
    [evidence] = change["metadata"]["evidence"]
    return change, evidence


async def assert_stays_available(service: Service, far_side: FarSide) -> None:
    change, evidence = await first_change(service)
    assert (change["state"], change["reasonCode"]) == ("AVAILABLE", "KEEPALIVE_RESTORED"), evidence
    # When one OPTIONS comes, the one before it has been judged.
    so_far = len(far_side.requests.entries)
    await far_side.requests.count(so_far + ATTEMPTS_THAT_DECIDE + 1)
    assert len(await service.events("carrier")) == 1


async def assert_goes_down(
    service: Service, reason: str, failure: str, detail: str, code: int | None = None
) -> None:
    change, evidence = await first_change(service)
    assert (change["state"], change["reasonCode"]) == ("DOWN", reason), evidence
    assert (evidence["failure"], evidence["code"]) == (failure, code)
    assert detail in evidence["detail"]


# --- over UDP -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "habit",
    [
        odd.answers_from_another_port,  # RFC 3261 17.1.3: the branch says whose answer it is
        odd.answers_with_the_branch_in_capitals,  # 7.3.1: tokens have no case
        odd.answers_after_garbage,
    ],
    ids=name_of,
)
async def test_legal_habit_over_udp_leaves_the_trunk_available(
    habit: DatagramHabit, tmp_path: Path
) -> None:
    async with (
        odd.odd_over_udp(habit) as far_side,
        serving(config_file(tmp_path, {"carrier": far_side.uri})) as service,
    ):
        await assert_stays_available(service, far_side)


@pytest.mark.parametrize(
    "habit", [odd.answers_with_another_branch, odd.answers_garbage], ids=name_of
)
async def test_answer_that_is_none_takes_the_trunk_down(
    habit: DatagramHabit, tmp_path: Path
) -> None:
    async with (
        odd.odd_over_udp(habit) as far_side,
        serving(config_file(tmp_path, {"carrier": far_side.uri})) as service,
    ):
        await assert_goes_down(service, "KEEPALIVE_FAILURE", "timeout", "no final answer")


async def test_trying_is_not_a_success(tmp_path: Path) -> None:
    async with (
        answering("answers_trying_only", tmp_path) as uri,
        serving(config_file(tmp_path, {"carrier": uri})) as service,
    ):
        await assert_goes_down(service, "KEEPALIVE_FAILURE", "timeout", "no final answer")


async def test_one_endpoint_over_two_sources_has_two_states(tmp_path: Path) -> None:
    welcome, unwelcome = free_port("127.0.0.1"), free_port("127.0.0.1")

    def answers_one_of_them(asked: AskedByDatagram) -> None:
        if asked.source[1] == welcome:
            asked.say(asked.answer)

    async with odd.odd_over_udp(answers_one_of_them) as far_side:
        trunks = trunk("welcome", far_side.uri, source=f"127.0.0.1:{welcome}") + trunk(
            "unwelcome", far_side.uri, source=f"127.0.0.1:{unwelcome}"
        )
        async with serving(config_file(tmp_path, {}, more=trunks)) as service:
            [up] = await service.changes("welcome", 1)
            [down] = await service.changes("unwelcome", 1)
            assert (up["state"], down["state"]) == ("AVAILABLE", "DOWN")
            assert len(await service.events("welcome")) == 1


async def test_default_from_is_not_blocked_as_a_call_to_itself(tmp_path: Path) -> None:
    async with odd.odd_over_udp(odd.blocks_who_calls_itself) as far_side:
        trunks = trunk("as-it-comes", far_side.uri) + trunk(
            "itself", far_side.uri, from_uri=far_side.uri
        )
        async with serving(config_file(tmp_path, {}, more=trunks)) as service:
            [up] = await service.changes("as-it-comes", 1)
            [down] = await service.changes("itself", 1)
            assert (up["state"], down["state"]) == ("AVAILABLE", "DOWN")


@pytest.mark.slow
async def test_trying_first_and_200_after_twenty_seconds_is_a_slow_carrier(tmp_path: Path) -> None:
    patient = {"timeout_seconds": 25, "min_successful_attempts": 1}
    async with answering("answers_in_twenty_seconds", tmp_path) as uri:
        config = config_file(tmp_path, {}, more=trunk("carrier", uri, patient))
        async with serving(config) as service:
            change, evidence = await first_change(service)
            assert change["state"] == "AVAILABLE"
            assert evidence["code"] == 200
            # The pause of the scenario; what it is counted from leaves us a little before.
            assert evidence["rttMs"] > 19_000


async def test_maintenance_is_believed_for_as_long_as_retry_after_says(tmp_path: Path) -> None:
    async with (
        answering("answers_maintenance", tmp_path) as uri,
        serving(config_file(tmp_path, {"carrier": uri})) as service,
    ):
        await assert_goes_down(
            service,
            "KEEPALIVE_FAILURE",
            "unhealthy_response",
            "in maintenance: Retry-After 3600 s",
            503,
        )
        _, evidence = await first_change(service)
        assert abs(evidence["maintenanceUntil"] - evidence["at"] - HOUR_MS) < 1000
        target = await service.target("carrier")
        assert target["nextAttemptInSeconds"] > 1800


async def test_no_probe_comes_before_the_maintenance_is_over(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    heard_at: list[float] = []

    def is_in_maintenance_at_first(asked: AskedByDatagram) -> None:
        heard_at.append(loop.time())
        busy = asked.answer.replace(b"200 OK\r\n", b"503 Busy\r\nRetry-After: 2\r\n", 1)
        asked.say(busy if len(heard_at) == 1 else asked.answer)

    async with (
        odd.odd_over_udp(is_in_maintenance_at_first) as far_side,
        serving(config_file(tmp_path, {"carrier": far_side.uri})) as service,
    ):
        down, up = await service.changes("carrier", 2)
        assert (down["state"], up["state"]) == ("DOWN", "AVAILABLE")
        first, second, *_ = heard_at
        assert second - first >= 2


async def test_stale_nonce_is_answered_once_more(tmp_path: Path) -> None:
    async with answering("challenges_stale", tmp_path) as uri:
        carrier = trunk("carrier", uri, username="alice", password="env:CARRIER_PASSWORD")
        config = config_file(tmp_path, {}, more=carrier)
        async with serving(config, CARRIER_PASSWORD="open sesame") as service:
            change, evidence = await first_change(service)
            assert change["state"] == "AVAILABLE", evidence
            assert evidence["code"] == 200


# --- over TCP -----------------------------------------------------------------------------------

LEGAL_ON_STREAMS = [
    odd.answers_in_single_bytes,
    odd.answers_twice_at_once,
    odd.answers_after_empty_lines,
    odd.answers_and_hangs_up,
    odd.hangs_up_when_asked_again,
]


@pytest.mark.parametrize("habit", LEGAL_ON_STREAMS, ids=name_of)
async def test_legal_habit_over_tcp_leaves_the_trunk_available(
    habit: StreamHabit, tmp_path: Path
) -> None:
    async with (
        odd.odd_over_streams(habit) as far_side,
        serving(config_file(tmp_path, {"carrier": far_side.uri})) as service,
    ):
        await assert_stays_available(service, far_side)


async def test_answer_on_a_connection_of_the_far_side_is_accepted(tmp_path: Path) -> None:
    listening = f'["tcp:127.0.0.1:{free_port("127.0.0.1")}"]'
    async with odd.odd_over_streams(odd.answers_on_a_connection_of_its_own) as far_side:
        carrier = trunk("carrier", far_side.uri, source="127.0.0.1")
        config = config_file(tmp_path, {}, sip=listening, more=carrier)
        async with serving(config) as service:
            await assert_stays_available(service, far_side)


async def test_ping_of_the_far_side_is_answered_and_changes_nothing(tmp_path: Path) -> None:
    async with (
        odd.odd_over_streams(odd.answers_and_pings) as far_side,
        serving(config_file(tmp_path, {"carrier": far_side.uri})) as service,
    ):
        await assert_stays_available(service, far_side)
        assert set(await far_side.pings.count(2)) == {b"\r\n"}  # pongs (RFC 5626 4.4.1)


@pytest.mark.parametrize(
    ("habit", "reason", "failure", "detail"),
    [
        (odd.hangs_up_without_an_answer, "NETWORK_ERROR", "reset", "closed"),
        (odd.cuts_the_connection, "NETWORK_ERROR", "reset", "reset"),
        (odd.speaks_http, "KEEPALIVE_FAILURE", "malformed", "HTTP/1.0 400"),
        (odd.leaves_out_content_length, "KEEPALIVE_FAILURE", "malformed", "Content-Length"),
        (odd.says_nothing, "KEEPALIVE_FAILURE", "timeout", "no final answer"),
    ],
    ids=name_of,
)
async def test_illegal_habit_over_tcp_takes_the_trunk_down(
    habit: StreamHabit, reason: str, failure: str, detail: str, tmp_path: Path
) -> None:
    async with (
        odd.odd_over_streams(habit) as far_side,
        serving(config_file(tmp_path, {"carrier": far_side.uri})) as service,
    ):
        await assert_goes_down(service, reason, failure, detail)


# --- over TLS -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "habit",
    [
        odd.answers_and_hangs_up,
        odd.hangs_up_when_asked_again,
    ],
    ids=name_of,
)
async def test_tls_trunk_is_not_unreachable_right_after_it_answered(
    habit: StreamHabit, tmp_path: Path
) -> None:
    """Closing an idle connection is the far side's right; others take it for an outage."""
    await assert_habit_is_healthy_over_tls(habit, tmp_path)


async def test_answer_in_single_bytes_over_tls_leaves_the_trunk_available(tmp_path: Path) -> None:
    await assert_habit_is_healthy_over_tls(odd.answers_in_single_bytes, tmp_path)


async def assert_habit_is_healthy_over_tls(habit: StreamHabit, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "certificates")
    async with odd.odd_over_streams(habit, authority.issue(odd.HOST)) as far_side:
        carrier = trunk("carrier", far_side.uri, tls={"ca_file": authority.ca_file})
        async with serving(config_file(tmp_path, {}, more=carrier)) as service:
            await assert_stays_available(service, far_side)


@pytest.mark.parametrize(
    ("certificate", "detail"),
    [
        ("good", ""),
        ("expired", "expired"),
        ("self-signed", "self-signed"),
        ("of another name", "other.example"),
        ("of an unknown authority", "issuer"),
    ],
)
async def test_certificate_decides_and_what_is_wrong_with_it_is_told(
    certificate: str, detail: str, tmp_path: Path
) -> None:
    folder = tmp_path / "certificates"
    authority = Authority(folder)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    shown = {
        "good": lambda: authority.issue(DOMAIN),
        "expired": lambda: authority.issue(
            DOMAIN, not_before=yesterday - timedelta(days=90), not_after=yesterday
        ),
        "self-signed": lambda: self_signed(folder, DOMAIN),
        "of another name": lambda: authority.issue("sbc.other.example"),
        "of an unknown authority": lambda: Authority(folder / "else", "Other CA").issue(DOMAIN),
    }[certificate]()
    trusted = {"ca_file": authority.ca_file, "server_name": DOMAIN}
    async with odd.odd_over_streams(odd.answers, shown) as far_side:
        config = config_file(tmp_path, {}, more=trunk("carrier", far_side.uri, tls=trusted))
        async with serving(config) as service:
            if not detail:
                await assert_stays_available(service, far_side)
            else:
                await assert_goes_down(service, "NETWORK_ERROR", "tls", detail)
                assert far_side.requests.entries == []


async def test_far_side_that_never_finishes_the_handshake_is_a_network_error(
    tmp_path: Path,
) -> None:
    async with odd.odd_over_streams(odd.says_nothing) as far_side:
        uri = far_side.uri.replace("tcp", "tls")
        async with serving(config_file(tmp_path, {"carrier": uri})) as service:
            await assert_goes_down(service, "NETWORK_ERROR", "connect_timeout", "TLS")
