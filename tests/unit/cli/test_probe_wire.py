"""What a baseline test sees on the wire that a prober passes over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

import pytest

from trunkpulse.cli.baseline import BaselineTest
from trunkpulse.cli.diagnosis import Verdict, diagnose, verdict
from trunkpulse.cli.probe_facts import ProbedAttempt, ProbedServer, ProbePlan
from trunkpulse.model import FailureKind, ProbeIdentity, TransportProtocol
from trunkpulse.ports import Address, Location, ResolutionFailed, Server
from trunkpulse.sip.digest import Credentials
from trunkpulse.sip.uri import SipUri
from unit.cli.far_side import Script, UdpPeer, answer_to, faithful


class Directory:
    """A resolver that knows one answer."""

    def __init__(self, *addresses: Address) -> None:
        self._location = Location(
            tuple(Server(TransportProtocol.UDP, each) for each in addresses), 60
        )

    async def locate(self, uri: SipUri) -> Location:
        return self._location


def a_plan(uri: str, count: int = 1, timeout: float = 30.0) -> ProbePlan:
    return ProbePlan(
        uri=SipUri.parse(uri), count=count, interval_seconds=0.05, timeout_seconds=timeout
    )


async def servers_of(plan: ProbePlan, *addresses: Address) -> list[ProbedServer]:
    resolver = Directory(*addresses) if addresses else None
    test = BaselineTest(plan, started=lambda _: None, finished=lambda *_: None, resolver=resolver)
    async with asyncio.timeout(60):
        await test.run()
    return test.servers


async def probed(script: Script, *, count: int = 1, timeout: float = 30.0) -> ProbedServer:
    with closing(UdpPeer(script)) as peer:
        (server,) = await servers_of(a_plan(peer.uri, count, timeout))
    return server


def rewriting(old: bytes, new: bytes) -> Script:
    """A middlebox that changes every answer on its way back."""

    def script(number: int, data: bytes, source: Address) -> Sequence[bytes]:
        answer = answer_to(data, source)
        assert old in answer
        return [answer.replace(old, new, 1)]

    return script


def challenged(data: bytes, source: Address, nonce: bytes) -> bytes:
    challenge = b'\r\nWWW-Authenticate: Digest realm="r", nonce="%s", qop="auth"' % nonce
    answer = answer_to(data, source, 401)
    return answer.replace(b"\r\nContent-Length", challenge + b"\r\nContent-Length", 1)


def sentences(server: ProbedServer) -> str:
    return "\n".join(each.sentence for each in diagnose(server, a_plan("sip:x.example"), 0))


@pytest.mark.parametrize(
    ("old", "new", "evidence"),
    [
        (b"branch=z9hG4bK", b"branch=z9hG4bKalg", "the Via branch came back as"),
        (
            b"Via: ",
            b"Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKalg\r\nVia: ",
            "came back with 2 Via headers instead of one",
        ),
    ],
)
async def test_an_answer_changed_beyond_recognition_is_an_alg_and_not_silence(
    old: bytes, new: bytes, evidence: str
) -> None:
    server = await probed(rewriting(old, new), timeout=0.2)
    (attempt,) = server.attempts
    assert (attempt.failure, attempt.dropped_answers) == (FailureKind.TIMEOUT, 1)
    assert verdict(server.attempts) is Verdict.REWRITTEN
    assert "A SIP ALG or another middlebox rewrites SIP" in sentences(server)
    assert evidence in sentences(server)
    assert "no answer at all" not in sentences(server)


async def test_an_answer_with_nothing_of_ours_but_its_source_is_found_as_well() -> None:
    def script(number: int, data: bytes, source: Address) -> Sequence[bytes]:
        return [
            (
                b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n"
                b"To: <sip:c@d>;tag=2\r\nCall-ID: other\r\nCSeq: 1 OPTIONS\r\n\r\n"
            )
        ]

    server = await probed(script, timeout=0.2)
    assert "the Call-ID came back as 'other'" in sentences(server)


async def test_what_is_no_sip_is_told_as_such() -> None:
    server = await probed(lambda *_: [b"HTTP/1.0 400 Bad Request\r\n\r\n"], timeout=0.2)
    assert "An answer came that cannot be read as SIP" in sentences(server)


async def test_a_matching_answer_with_another_call_id_is_healthy_and_an_alg_all_the_same() -> None:
    server = await probed(rewriting(b"Call-ID: ", b"Call-ID: alg-"))
    assert verdict(server.attempts) is Verdict.HEALTHY
    assert "the Call-ID came back as 'alg-" in sentences(server)


async def test_a_branch_in_capitals_is_matched_and_noted() -> None:
    def script(number: int, data: bytes, source: Address) -> Sequence[bytes]:
        answer = answer_to(data, source)
        branch = answer.partition(b";branch=")[2].partition(b"\r\n")[0].partition(b";")[0]
        return [answer.replace(branch, branch.upper(), 1)]

    server = await probed(script)
    assert verdict(server.attempts) is Verdict.HEALTHY
    assert "came back in another case; that is legal" in sentences(server)


async def test_an_answer_from_another_port_counts_and_is_told() -> None:
    with closing(UdpPeer()) as peer:
        peer.answer_from_another_port()
        (server,) = await servers_of(a_plan(peer.uri))
        assert peer.elsewhere is not None
        port = peer.elsewhere.local_address[1]
    assert verdict(server.attempts) is Verdict.HEALTHY
    assert f"Answers come from 127.0.0.1:{port} instead of" in sentences(server)


async def test_late_and_repeated_answers_are_told_apart() -> None:
    kept: list[bytes] = []

    def script(number: int, data: bytes, source: Address) -> Sequence[bytes]:
        answer = answer_to(data, source)
        if number == 1:
            kept.append(answer)  # it comes when the second attempt is under way
            return []
        return [*kept, answer, answer] if number == 2 else [answer]

    server = await probed(script, count=3, timeout=0.3)
    codes = [attempt.code for attempt in server.attempts]
    assert codes == [None, 200, 200]
    (late,) = server.late_seconds
    assert late >= 0.3
    assert server.duplicates == 1
    assert "1 answer came too late" in sentences(server)


async def test_a_1xx_ahead_of_the_answer_is_noted_with_its_moment() -> None:
    def script(number: int, data: bytes, source: Address) -> Sequence[bytes]:
        answer = answer_to(data, source)
        return [answer.replace(b"200 OK", b"100 Trying", 1), answer]

    server = await probed(script)
    (attempt,) = server.attempts
    assert attempt.rtt_seconds is not None
    assert attempt.provisional_seconds is not None
    assert 0 <= attempt.provisional_seconds <= attempt.rtt_seconds + 0.01


async def test_an_echo_is_compared_with_what_was_sent() -> None:
    def script(number: int, data: bytes, source: Address) -> Sequence[bytes]:
        arrived = data.replace(b"Contact: <sip:127.0.0.1", b"Contact: <sip:198.51.100.7", 1)
        head, _, _ = answer_to(data, source).partition(b"Content-Length")
        length = b"Content-Type: message/sip\r\nContent-Length: %d\r\n\r\n" % len(arrived)
        return [head + length + arrived]

    server = await probed(script)
    assert server.echo is not None
    (difference,) = server.echo
    assert difference.name == "Contact"
    assert "Contact arrived at the far side as '<sip:198.51.100.7" in sentences(server)


async def test_every_server_is_probed_side_by_side_and_judged_on_its_own() -> None:
    with closing(UdpPeer()) as one, closing(UdpPeer(lambda *_: [])) as other:
        servers = await servers_of(
            a_plan("sip:sbc.example.com", count=2, timeout=0.3), one.address, other.address
        )
        assert [str(each.uri) for each in one.requests] == ["sip:sbc.example.com"] * 2
    assert [each.address for each in servers] == [one.address, other.address]
    assert [verdict(each.attempts) for each in servers] == [Verdict.HEALTHY, Verdict.SILENT]
    assert [len(each.attempts) for each in servers] == [2, 2]


async def test_over_ipv6_the_via_names_the_address_that_the_probe_leaves_from() -> None:
    with closing(UdpPeer(host="::1")) as peer:
        (server,) = await servers_of(a_plan(peer.uri))
        (request,) = peer.requests
    assert verdict(server.attempts) is Verdict.HEALTHY
    assert server.local[0] == "::1"
    assert (request.headers.first("Via") or "").startswith("SIP/2.0/UDP [::1]:")
    assert sentences(server) == ""


async def test_servers_of_another_family_than_the_source_are_left_out() -> None:
    with closing(UdpPeer()) as peer:
        plan = replace(
            a_plan("sip:sbc.example.com"), identity=ProbeIdentity(source=("127.0.0.1", 0))
        )
        resolver = Directory(peer.address, ("::1", 5060, 0, 0))
        test = BaselineTest(
            plan, started=lambda _: None, finished=lambda *_: None, resolver=resolver
        )
        await test.run()
    assert [each.address for each in test.servers] == [peer.address]
    assert [each.address[0] for each in test.left_out] == ["::1"]
    with pytest.raises(ResolutionFailed, match="no IPv4 address to go with the source"):
        await servers_of(plan, ("::1", 5060, 0, 0))


async def test_a_challenge_is_met_within_the_attempt_and_counted() -> None:
    def script(number: int, data: bytes, source: Address) -> Sequence[bytes]:
        if b"\r\nAuthorization: Digest " in data:
            return [answer_to(data, source)]
        return [challenged(data, source, b"n")]

    with closing(UdpPeer(script)) as peer:
        identity = ProbeIdentity(credentials=Credentials("alice", "wonderland"))
        (server,) = await servers_of(replace(a_plan(peer.uri, count=2), identity=identity))
    first, second = server.attempts
    assert (first.code, first.challenges, first.retransmissions) == (200, 1, 0)
    assert (second.code, second.challenges) == (200, 0)


async def test_refused_credentials_end_the_attempt_with_the_reason() -> None:
    def script(number: int, data: bytes, source: Address) -> Sequence[bytes]:
        return [challenged(data, source, b"%d" % number)]

    with closing(UdpPeer(script)) as peer:
        identity = ProbeIdentity(credentials=Credentials("alice", "wonderland"))
        (server,) = await servers_of(replace(a_plan(peer.uri), identity=identity))
    (attempt,) = server.attempts
    assert (attempt.code, attempt.challenges) == (401, 1)
    assert attempt.detail


async def test_stopping_drops_the_attempt_under_way() -> None:
    ended: list[int | None] = []

    def end(_: ProbedServer, attempt: ProbedAttempt) -> None:
        ended.append(attempt.code)
        test.stop()

    with closing(UdpPeer(faithful)) as peer:
        test = BaselineTest(
            replace(a_plan(peer.uri, count=1000), interval_seconds=3600),
            started=lambda _: None,
            finished=end,
        )
        async with asyncio.timeout(60):
            await test.run()
    assert ended == [200]
