"""A challenge is part of the attempt: answered once with credentials, else judged like any code."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace

from trunkpulse.model import ProbeIdentity
from trunkpulse.sip.digest import Credentials
from trunkpulse.sip.message import Headers, Request, Response
from unit.probing.probed import Bench
from virtual_time import run_virtual

ALICE = ProbeIdentity(credentials=Credentials("alice", "opensesame"))
URI = "sip:192.0.2.1"


def challenge(request: Request, nonce: str, *, stale: bool = False, code: int = 401) -> bytes:
    name = "WWW-Authenticate" if code == 401 else "Proxy-Authenticate"
    value = f'Digest realm="carrier", nonce="{nonce}", qop="auth", algorithm=MD5'
    return answer(request, code, (name, value + (", stale=true" if stale else "")))


def answer(request: Request, code: int, *extra: tuple[str, str]) -> bytes:
    copied = [(name, request.headers.single(name)) for name in ("Via", "From", "Call-ID", "CSeq")]
    headers = Headers([*copied, ("To", "<sip:x>;tag=1"), *extra, ("Content-Length", "0")])
    return Response(code, "Said", headers).encode()


def digest_of(request: Request, name: str = "Authorization") -> dict[str, str]:
    value = request.headers.single(name)
    return {
        key: quoted or bare
        for key, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,"]+))', value)
    }


def is_right(request: Request, password: str) -> bool:
    """What a server computes (RFC 7616 3.4.1)."""
    given = digest_of(request)
    secret = _md5(f"{given['username']}:{given['realm']}:{password}")
    asked = _md5(f"OPTIONS:{given['uri']}")
    parts = (secret, given["nonce"], given["nc"], given["cnonce"], given["qop"], asked)
    return given["response"] == _md5(":".join(parts)) and given["uri"] == request.uri


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def bench(tell: Callable[[Bench], None], identity: ProbeIdentity | None = ALICE) -> None:
    async def story() -> None:
        probed = Bench(URI, identity=identity)
        probed.prober.probe_at(probed.targets[0], probed.clock.monotonic())
        await probed.clock.advance(0.02)
        tell(probed)

    run_virtual(story)


def test_a_challenge_is_met_within_the_attempt() -> None:
    def tell(probed: Bench) -> None:
        (first,) = probed.requests()
        assert "Authorization" not in first.headers
        probed.arrive(challenge(first, "n1"))
        second = probed.requests()[1]
        assert is_right(second, "opensesame")
        assert probed.verdicts.seen == []
        probed.arrive(answer(second, 200))
        assert probed.verdicts.seen == [(URI, 200)]

    bench(tell)


def test_the_second_request_belongs_to_the_first() -> None:
    def tell(probed: Bench) -> None:
        (first,) = probed.requests()
        probed.arrive(challenge(first, "n1"))
        second = probed.requests()[1]
        for name in ("Call-ID", "From", "To"):
            assert second.headers.single(name) == first.headers.single(name)
        assert second.headers.single("CSeq") == "2 OPTIONS"
        assert first.headers.single("CSeq") == "1 OPTIONS"
        assert second.headers.single("Via") != first.headers.single("Via")

    bench(tell)


def test_a_stale_nonce_is_exchanged_once_more() -> None:
    def tell(probed: Bench) -> None:
        probed.arrive(challenge(probed.requests()[0], "n1"))
        probed.arrive(challenge(probed.requests()[1], "n2", stale=True))
        third = probed.requests()[2]
        assert digest_of(third)["nonce"] == "n2"
        assert third.headers.single("Call-ID") == probed.requests()[0].headers.single("Call-ID")
        probed.arrive(answer(third, 200))
        assert probed.verdicts.seen == [(URI, 200)]

    bench(tell)


def test_credentials_that_are_refused_end_the_attempt() -> None:
    def tell(probed: Bench) -> None:
        probed.arrive(challenge(probed.requests()[0], "n1", code=407))
        probed.arrive(challenge(probed.requests()[1], "n2", code=407))
        assert len(probed.requests()) == 2
        assert probed.verdicts.seen == [(URI, 407)]
        problem = probed.prober.why_challenged(probed.targets[0])
        assert problem == "username or password refused for realm 'carrier'"

    bench(tell)


def test_without_credentials_a_challenge_is_an_answer_like_any() -> None:
    def tell(probed: Bench) -> None:
        probed.arrive(challenge(probed.requests()[0], "n1"))
        assert len(probed.requests()) == 1
        assert probed.verdicts.seen == [(URI, 401)]
        assert probed.prober.why_challenged(probed.targets[0]) is None

    bench(tell, identity=None)


def test_the_next_attempt_proves_itself_at_once_and_counts_the_nonce_up() -> None:
    async def story() -> None:
        probed = Bench(URI, identity=ALICE)
        target = probed.targets[0]
        probed.prober.probe_at(target, probed.clock.monotonic())
        await probed.clock.advance(0.02)
        probed.arrive(challenge(probed.requests()[0], "n1"))
        probed.arrive(answer(probed.requests()[1], 200))
        probed.prober.probe_at(target, probed.clock.monotonic())
        await probed.clock.advance(0.02)
        third = probed.requests()[2]
        assert is_right(third, "opensesame")
        assert (digest_of(third)["nonce"], digest_of(third)["nc"]) == ("n1", "00000002")
        assert third.headers.single("Call-ID") != probed.requests()[0].headers.single("Call-ID")

    run_virtual(story)


def test_a_challenge_that_is_not_answered_in_time_times_the_whole_attempt_out() -> None:
    async def story() -> None:
        probed = Bench(URI, identity=ALICE, timeout_seconds=2.0)
        start = probed.clock.monotonic()
        probed.prober.probe_at(probed.targets[0], start)
        await probed.clock.advance(1.5)
        probed.arrive(challenge(probed.requests()[0], "n1"))
        await probed.clock.advance(0.45)
        assert probed.verdicts.seen == []
        await probed.clock.advance(0.1)
        assert probed.verdicts.seen == [(URI, "timeout")]

    run_virtual(story)


def test_a_trunk_that_is_given_other_credentials_forgets_the_old_ones() -> None:
    async def story() -> None:
        probed = Bench(URI, identity=ALICE)
        target = probed.targets[0]
        probed.prober.probe_at(target, probed.clock.monotonic())
        await probed.clock.advance(0.02)
        probed.arrive(challenge(probed.requests()[0], "n1"))
        probed.arrive(answer(probed.requests()[1], 200))
        bob = ProbeIdentity(credentials=Credentials("bob", "another"))
        target.adopt(replace(target.settings, identity=bob))
        probed.prober.probe_at(target, probed.clock.monotonic())
        await probed.clock.advance(0.02)
        third = probed.requests()[2]
        assert "Authorization" not in third.headers
        probed.arrive(challenge(third, "n9"))
        assert digest_of(probed.requests()[3])["username"] == "bob"

    run_virtual(story)


def test_a_refusal_of_what_was_proved_unasked_makes_the_next_attempt_begin_anew() -> None:
    async def story() -> None:
        probed = Bench(URI, identity=ALICE)
        target = probed.targets[0]
        probed.prober.probe_at(target, probed.clock.monotonic())
        await probed.clock.advance(0.02)
        probed.arrive(challenge(probed.requests()[0], "n1"))
        probed.arrive(answer(probed.requests()[1], 200))
        for code in (403, 200):
            probed.prober.probe_at(target, probed.clock.monotonic())
            await probed.clock.advance(0.05)
            probed.arrive(answer(probed.requests()[-1], code))
        assert "Authorization" in probed.requests()[2].headers
        assert "Authorization" not in probed.requests()[3].headers

    run_virtual(story)
