"""Over connections, whichever one an answer came over, the transport learns of it."""

import pytest

from trunkpulse.model import ProbeIdentity, TransportProtocol
from trunkpulse.sip.digest import Credentials
from unit.probing.probed import Bench
from unit.probing.test_challenges import answer, challenge
from virtual_time import run_virtual

ALICE = ProbeIdentity(credentials=Credentials("alice", "opensesame"))
PLACE = ("192.0.2.1", 5060)


def bench(protocol: TransportProtocol) -> Bench:
    return Bench("sip:192.0.2.1", protocol=protocol, identity=ALICE)


async def asked(probed: Bench) -> None:
    probed.prober.probe_at(probed.targets[0], probed.clock.monotonic())
    await probed.clock.advance(0.02)


@pytest.mark.parametrize(
    ("protocol", "told"), [(TransportProtocol.TCP, True), (TransportProtocol.UDP, False)]
)
def test_a_final_answer_settles_its_request_wherever_it_came_from(
    protocol: TransportProtocol, *, told: bool
) -> None:
    async def story() -> None:
        probed = bench(protocol)
        await asked(probed)
        probed.arrive(answer(probed.requests()[0], 100), ("192.0.2.1", 40_000))
        assert probed.wire.answered == []
        probed.arrive(probed.answer_to(0), ("192.0.2.1", 40_000))
        assert probed.wire.answered == [(probed.wire.sent[0][0], PLACE)] * told
        assert len(probed.verdicts.seen) == 1

    run_virtual(story)


def test_a_challenge_settles_the_request_that_it_answers_and_not_the_next() -> None:
    async def story() -> None:
        probed = bench(TransportProtocol.TCP)
        await asked(probed)
        probed.arrive(challenge(probed.requests()[0], "n1"))
        assert probed.wire.answered == [(probed.wire.sent[0][0], PLACE)]
        assert len(probed.wire.sent) == 2
        probed.arrive(probed.answer_to(1))
        assert probed.wire.answered == [(data, PLACE) for data, _ in probed.wire.sent]

    run_virtual(story)


def test_an_attempt_that_nobody_waits_for_any_more_is_no_fault_of_its_connection() -> None:
    async def story() -> None:
        probed = bench(TransportProtocol.TCP)
        await asked(probed)
        request = probed.wire.sent[0][0]
        probed.prober.pause(probed.targets[0])
        assert probed.wire.answered == [(request, PLACE)]
        assert probed.wire.withdrawn == [request]

    run_virtual(story)
