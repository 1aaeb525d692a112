from __future__ import annotations

import asyncio
import json
import random
import signal
import socket
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from interop.peers.ports import free_port
from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.network.responder import OptionsResponder, ResponderSettings
from trunkpulse.config import load_config
from trunkpulse.ports import Address
from trunkpulse.sip.server import AnswerSettings
from unit.cli.command_line import command, line_of, process
from unit.cli.far_side import Script, UdpPeer, answer_to


@contextmanager
def endpoint(code: int = 200, reason: str | None = None, *, echo: bool = False) -> Iterator[str]:
    """A responder on this loop; gives its URI."""
    settings = ResponderSettings(
        answer=AnswerSettings(tag_key=b"k", code=code, reason=reason, echo=echo)
    )
    responder = OptionsResponder.listen(
        ("127.0.0.1", 0), settings, clock=SystemClock(), rng=random.Random(1)
    )
    with closing(responder):
        yield f"sip:127.0.0.1:{responder.local_address[1]}"


@contextmanager
def silent_socket() -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"sip:127.0.0.1:{sock.getsockname()[1]}"


def deaf_to(requests: int) -> Script:
    """Answers 200, but the first requests not at all."""

    def script(number: int, data: bytes, source: Address) -> Sequence[bytes]:
        return [] if number <= requests else [answer_to(data, source)]

    return script


async def test_a_healthy_endpoint_is_told_so_with_settings_to_paste() -> None:
    with endpoint() as uri:
        outcome = await command("probe", uri, "--count", "3", "--interval", "0.05")
    assert (outcome.code, outcome.err) == (0, "")
    assert "3 sent, 3 answered, 0 % lost, round trip min / avg / p95 / max: " in outcome.out
    assert "Healthy: every attempt was answered 2xx." in outcome.out
    rows = [line for line in outcome.out.splitlines() if line.endswith("healthy")]
    assert [row.split()[:3] for row in rows] == [[str(n), "200", "OK"] for n in (1, 2, 3)]
    port = uri.rpartition(":")[2]
    assert outcome.out.endswith(
        "\n# Recommended for this endpoint, to paste into the configuration file:\n\n"
        f'[[trunks]]\nid = "127.0.0.1-{port}"\ntargets = ["{uri}"]\n\n[trunks.keepalive]\n'
        'interval_seconds = 30\ntimeout_seconds = 4\nhealthy_responses = ["2xx"]\n'
    )
    assert "Jitter " in outcome.out
    assert "Allow: OPTIONS\nAccept: application/sdp\n" in outcome.out


async def test_a_silent_endpoint_is_not_healthy_and_no_settings_are_recommended() -> None:
    with silent_socket() as uri:
        outcome = await command(
            "probe", uri, "--count", "2", "--interval", "0.05", "--timeout", "0.2"
        )
    assert (outcome.code, outcome.err) == (1, "")
    assert "2 sent, 0 answered, 100 % lost\n" in outcome.out
    assert "Not healthy: nothing ever came back." in outcome.out
    assert "a firewall may drop the probe" in outcome.out
    assert "no final answer within 0.2 s" in outcome.out
    assert "[[trunks]]" not in outcome.out


async def test_a_closed_port_is_told_from_silence() -> None:
    uri = f"sip:127.0.0.1:{free_port('127.0.0.1')}"
    outcome = await command("probe", uri, "--count", "1", "--timeout", "5")
    assert outcome.code == 1
    assert "Not healthy: the port is closed." in outcome.out
    assert f"Nothing listens on {uri.removeprefix('sip:')}" in outcome.out


@pytest.mark.parametrize(
    ("code", "reason", "advice", "healthy_responses"),
    [
        (404, "Not Found", "many carriers answer OPTIONS so", '["2xx", "404"]'),
        (401, "Unauthorized", "it wants credentials", '["2xx", "401"]'),
        (403, "Forbidden", "another From or Contact (--from, --contact)", '["2xx", "403"]'),
        (503, "Service Unavailable", "overloaded or under maintenance", None),
        (599, "Odd", "it has a fault of its own", None),
    ],
)
async def test_an_unhealthy_answer_is_explained(
    code: int, reason: str, advice: str, healthy_responses: str | None
) -> None:
    with endpoint(code, reason) as uri:
        outcome = await command("probe", uri, "--count", "2", "--interval", "0.05")
    assert (outcome.code, outcome.err) == (1, "")
    assert f"{code} {reason}" in outcome.out
    assert "Not healthy: it answers, but never 2xx." in outcome.out
    assert advice in outcome.out
    if healthy_responses is None:
        assert "[[trunks]]" not in outcome.out
    else:
        assert f"healthy_responses = {healthy_responses}" in outcome.out


async def test_json_is_one_document_with_every_attempt() -> None:
    with endpoint(404) as uri:
        before = time.time() * 1000
        outcome = await command("probe", uri, "--count", "2", "--interval", "0.05", "--json")
        after = time.time() * 1000
    document = json.loads(outcome.out)
    assert (outcome.code, outcome.err) == (1, "")
    (server,) = document.pop("servers")
    assert {key: document[key] for key in server} == server
    attempts = document.pop("attempts")
    assert [attempt["number"] for attempt in attempts] == [1, 2]
    for attempt in attempts:
        assert set(attempt) == {
            "number", "at", "healthy", "code", "reasonPhrase", "rttMs", "retransmissions",
            "challenges", "connectMs", "provisionalMs", "failure", "detail", "answeredFrom",
            "seenAs", "software", "retryAfter", "droppedAnswers",
        }  # fmt: skip
        assert (attempt["code"], attempt["reasonPhrase"]) == (404, "Not Found")
        assert attempt["answeredFrom"] == uri.removeprefix("sip:")
        assert before - 1 <= attempt["at"] <= after + 1
        assert attempt["rttMs"] > 0
    trips = document.pop("rttMs")
    assert 0 < trips["min"] <= trips["average"] <= trips["max"]
    assert trips["p95"] == trips["max"]
    assert document.pop("jitterMs") >= 0
    assert document.pop("source").startswith("127.0.0.1:")
    (sentence,) = document.pop("diagnosis")
    assert sentence.startswith("It answers 404 Not Found: ")
    assert document.pop("findings") == [
        {"code": "answers-404", "severity": "warning", "sentence": sentence}
    ]
    assert tomllib.loads(document.pop("recommendedTrunk"))["trunks"][0]["targets"] == [uri]
    assert document.pop("recommendedKeepalive") == {
        "intervalSeconds": 30,
        "timeoutSeconds": 4,
        "healthyResponses": ["2xx", "404"],
    }
    far_side = document.pop("farSide")
    assert (far_side["software"], far_side["allow"]) == ("trunkpulse", ["OPTIONS"])
    assert document == {
        "target": uri,
        "address": uri.removeprefix("sip:"),
        "protocol": "udp",
        "priority": 0,
        "weight": 0,
        "healthy": False,
        "verdict": "rejected",
        "sent": 2,
        "answered": 2,
        "lossPercent": 0,
        "retransmissions": 0,
        "lateAnswers": 0,
        "duplicateAnswers": 0,
        "connections": None,
        "certificate": None,
        "echo": None,
    }


async def test_json_of_a_silent_endpoint_has_nulls_where_nothing_is_known() -> None:
    with silent_socket() as uri:
        outcome = await command("probe", uri, "--count", "1", "--timeout", "0.2", "--json")
    document = json.loads(outcome.out)
    assert (document["rttMs"], document["recommendedKeepalive"]) == (None, None)
    assert (document["verdict"], document["lossPercent"]) == ("silent", 100)
    assert (document["attempts"][0]["failure"], document["attempts"][0]["code"]) == (
        "timeout",
        None,
    )


async def test_the_options_carry_what_was_asked_for() -> None:
    with closing(UdpPeer()) as peer:
        port = peer.address[1]
        outcome = await command(
            "probe", f"sip:ping@127.0.0.1:{port};lr", "--count", "1",
            "--from", "sip:me@pbx.example.com", "--contact", "sip:pbx.example.com:5070",
            "--header", "X-Account: 42", "--header", "User-Agent:  mine",
            "--source", "127.0.0.1",
        )  # fmt: skip
    assert outcome.code == 0
    assert "The far side calls itself carrier/1." in outcome.out
    (request,) = peer.requests
    assert request.method == "OPTIONS"
    assert request.uri == f"sip:ping@127.0.0.1:{port};lr"
    assert (request.headers.first("From") or "").startswith("<sip:me@pbx.example.com>;tag=")
    assert request.headers.first("Contact") == "<sip:pbx.example.com:5070>"
    assert request.headers.first("X-Account") == "42"
    assert request.headers.every("User-Agent") == ["mine"]


async def test_an_endpoint_that_echoes_shows_that_nothing_was_changed_on_the_way() -> None:
    with endpoint(echo=True) as uri:
        outcome = await command("probe", uri, "--count", "1")
        document = json.loads((await command("probe", uri, "--count", "1", "--json")).out)
    assert outcome.code == 0
    assert "It sent the request back: nothing of it was changed" in outcome.out
    assert document["echo"] == []


async def test_what_else_the_options_can_carry() -> None:
    with closing(UdpPeer()) as peer:
        port = peer.address[1]
        outcome = await command(
            "probe", "sip:sbc.invalid", "--count", "1", "--to", "sip:you@sbc.invalid",
            "--request-uri", "sip:ping@sbc.invalid", "--max-forwards", "0",
            "--outbound-proxy", f"sip:127.0.0.1:{port};lr",
        )  # fmt: skip
        (request,) = peer.requests
    assert outcome.code == 0
    assert request.uri == "sip:ping@sbc.invalid"
    assert request.headers.first("To") == "<sip:you@sbc.invalid>"
    assert request.headers.first("Max-Forwards") == "0"
    assert request.headers.first("Route") == f"<sip:127.0.0.1:{port};lr>"


async def test_a_next_hop_that_answers_483_to_max_forwards_0_is_healthy() -> None:
    with endpoint(483) as uri:
        outcome = await command("probe", uri, "--count", "1", "--max-forwards", "0")
        further = await command("probe", uri, "--count", "1")
    assert (outcome.code, further.code) == (0, 1)
    assert "Healthy: the next hop is alive" in outcome.out


async def test_a_lost_packet_shows_as_a_retransmission_of_a_healthy_attempt() -> None:
    with closing(UdpPeer(deaf_to(1))) as peer:
        port = peer.address[1]
        outcome = await command(
            "probe", f"sip:127.0.0.1:{port}", "--count", "2", "--timeout", "30", "--json"
        )
    document = json.loads(outcome.out)
    assert outcome.code == 0
    assert document["attempts"][0]["retransmissions"] >= 1
    assert document["attempts"][1]["retransmissions"] == 0
    assert (document["rttMs"]["measuredAttempts"], document["rttMs"]["fromFirstSend"]) == (1, False)
    assert document["rttMs"]["max"] == document["attempts"][1]["rttMs"]
    assert "had to be sent again first" in document["diagnosis"][0]


async def test_a_summary_without_an_attempt_that_was_sent_once_says_so() -> None:
    with closing(UdpPeer(deaf_to(1))) as peer:
        outcome = await command("probe", f"sip:127.0.0.1:{peer.address[1]}", "-c", "1", "-t", "30")
    assert outcome.code == 0
    assert "ms, measured from the first send because every attempt was sent again\n" in outcome.out


async def test_a_summary_names_the_attempts_that_it_leaves_out() -> None:
    with closing(UdpPeer(deaf_to(1))) as peer:
        outcome = await command(
            "probe", f"sip:127.0.0.1:{peer.address[1]}", "-c", "2", "-i", "0.05", "-t", "30"
        )
    assert outcome.code == 0
    assert "ms, without the 1 attempt that was sent again\n" in outcome.out


async def test_short_options_are_those_of_ping() -> None:
    with silent_socket() as uri:
        outcome = await command("probe", uri, "-c", "2", "-i", "0.05", "-t", "0.2")
    assert "2 attempts, 0.05 s apart, 0.2 s for each." in outcome.out
    assert "2 sent, 0 answered" in outcome.out


async def test_a_trace_shows_a_refusal() -> None:
    with silent_socket() as uri:
        pass
    outcome = await command("probe", uri, "-c", "1", "--trace")
    (heading,) = (line for line in outcome.err.splitlines() if " refused by " in line)
    assert heading.startswith("--- ")
    assert heading.endswith(f" refused by {uri.removeprefix('sip:')} (ICMP port unreachable)")


async def test_a_trace_shows_both_messages_on_stderr_and_leaves_json_whole() -> None:
    with endpoint() as uri:
        outcome = await command("probe", uri, "--count", "1", "--trace", "--json")
    assert json.loads(outcome.out)["healthy"] is True
    sent, received = outcome.err.split(" received from ")
    assert f" sent to {uri.removeprefix('sip:')} (" in sent
    assert f"OPTIONS {uri} SIP/2.0\n" in sent
    assert "SIP/2.0 200 OK\n" in received


async def test_what_a_peer_sends_cannot_steer_the_terminal() -> None:
    with endpoint(404, "\x1b[2J[red]gone[/red]".replace("\x1b", "\u009b")) as uri:
        outcome = await command("probe", uri, "--count", "1", "--trace")
    assert "\u009b" not in outcome.out + outcome.err
    assert "[red]gone" in outcome.out


async def test_a_single_attempt_is_not_apart_from_any() -> None:
    with endpoint() as uri:
        outcome = await command("probe", uri, "-c", "1")
    assert ": 1 attempt, 4 s at most.\n" in outcome.out
    assert "apart" not in outcome.out


async def test_the_whole_recommendation_can_be_copied_and_put_to_others(tmp_path: Path) -> None:
    copied = ""
    with endpoint(404) as first, endpoint() as second:
        for uri in (first, second):
            outcome = await command("probe", uri, "-c", "1", "--header", "X.Odd: 1")
            copied += "#" + outcome.out.split("\n#")[1]
    file = tmp_path / "trunks.toml"
    file.write_text(copied)
    trunks = load_config(file, {}).trunks
    assert [trunk.targets for trunk in trunks] == [(first,), (second,)]
    assert trunks[0].keepalive.healthy_responses == ("2xx", "404")
    assert trunks[0].identity.headers == (("X.Odd", "1"),)


async def test_credentials_without_a_challenge_to_use_them_are_the_far_sides_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRUNKPULSE_PASSWORD", "wonderland")
    with endpoint(401) as uri:
        outcome = await command("probe", uri, "-c", "2", "-i", "0.05", "--username", "alice")
    assert outcome.code == 1
    assert (
        "It answers 401: it asks for credentials but sends no usable WWW-Authenticate; tell its"
        " operator." in outcome.out
    )
    assert "in spite of" not in outcome.out
    assert "[[trunks]]" not in outcome.out


@pytest.mark.parametrize("as_json", [False, True])
async def test_ctrl_c_while_nothing_was_answered_says_so_and_exits_130(*, as_json: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.setblocking(False)
        uri = f"sip:127.0.0.1:{deaf.getsockname()[1]}"
        async with process("probe", uri, "-t", "30", *(["--json"] if as_json else [])) as child:
            await asyncio.get_running_loop().sock_recv(deaf, 65_535)
            child.send_signal(signal.SIGINT)
            out, err = await child.communicate()
    assert (child.returncode, err) == (130, b"")
    if not as_json:
        assert out.endswith(b"\n\nInterrupted; 1 sent, none answered yet.\n")
        return
    assert json.loads(out) == {
        "target": uri,
        "healthy": False,
        "verdict": "interrupted",
        "diagnosis": ["Interrupted; 1 sent, none answered yet."],
        "recommendedKeepalive": None,
        "recommendedTrunk": None,
        "servers": [],
    }


async def test_ctrl_c_sums_up_what_is_known_and_exits_130() -> None:
    with endpoint() as uri:
        async with process("probe", uri, "--count", "1000", "--interval", "60") as child:
            while not (await line_of(child.stdout)).endswith("healthy"):
                pass
            child.send_signal(signal.SIGINT)
            out, err = await child.communicate()
    assert (child.returncode, err) == (130, b"")
    assert b"1 sent, 1 answered, 0 % lost" in out
