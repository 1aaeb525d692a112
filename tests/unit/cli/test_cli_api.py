from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI, Request, Response
from starlette.types import Receive, Scope, Send

from interop.peers.ports import free_port
from trunkpulse.adapters.http.server import serve_http
from trunkpulse.model import FailureKind, IsolationEvidence, IsolationRule
from trunkpulse.probing.doubts import Trusting
from unit.cli.api_service import service
from unit.cli.command_line import command, line_of, process
from unit.http.api_world import running


@asynccontextmanager
async def stranger(status: int, body: str, media_type: str) -> AsyncIterator[str]:
    """Some other server, which gives every request one answer; its URL."""
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def anything(request: Request) -> Response:
        return Response(body.replace("TOKEN", request.headers.get("authorization", "-")), status,
                        media_type=media_type)  # fmt: skip

    async with serve_http(app, "127.0.0.1", 0) as (host, port):
        yield f"http://{host}:{port}"


def cells(table: str) -> list[list[str]]:
    return [line.split() for line in table.splitlines()]


async def test_trunks_are_listed_with_whole_values_and_since_when() -> None:
    async with service() as there:
        there.world.fail("carrier-b")
        table = await there.said("trunks", "list")
    heading, *rows = table.splitlines()
    assert heading.split() == ["ID", "STATE", "SINCE", "REASON", "CARRIER", "REGION", "NAME"]
    assert [row.split()[:2] for row in rows] == [
        ["carrier-a", "UNKNOWN"], ["carrier-b", "DOWN"],
        ["off-by-file", "DOWN"], ["unprobed", "UNKNOWN"],
    ]  # fmt: skip
    assert "KEEPALIVE_FAILURE" in rows[1]
    assert " for " in rows[1]
    assert rows[1].endswith("Second Söurce")
    names = ("Primary-PSTN-Trunk", "Second Söurce", "Off", "Unprobed")
    assert {row.index(name) for row, name in zip(rows, names, strict=True)} == {
        heading.index("NAME")
    }


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (["--state", "DOWN"], ["carrier-b", "off-by-file"]),
        (["--state", "down"], ["carrier-b", "off-by-file"]),
        (["--carrier", "acme"], ["carrier-a"]),
        (["--region", "us-east"], ["carrier-a"]),
        (["--direction", "Inbound"], ["unprobed"]),
        (["--q", "second"], ["carrier-b"]),
    ],
)
async def test_the_list_is_filtered(filters: list[str], ids: list[str]) -> None:
    async with service() as there:
        there.world.fail("carrier-b")
        document = json.loads(await there.said("trunks", "list", "--json", *filters))
    assert [trunk["id"] for trunk in document["entities"]] == ids
    assert document["nextCursor"] is None


async def test_an_empty_list_says_so() -> None:
    async with service() as there:
        assert await there.said("trunks", "list", "--q", "zzz") == "There are no such trunks.\n"


async def test_a_trunk_is_shown_with_each_target() -> None:
    async with service() as there:
        there.world.succeed("carrier-a")
        there.world.fail(
            "carrier-a", place=1, kind=FailureKind.REFUSED, detail="Connection refused"
        )
        out = await there.said("trunks", "show", "carrier-a")
    first, *_ = out.splitlines()
    assert first.startswith("carrier-a  DEGRADED for ")
    assert first.endswith("(NETWORK_ERROR)")
    assert "every 30 s; DOWN after 3 failures, AVAILABLE after 2 successes; healthy is 2xx" in out
    well, bad = (line for line in out.splitlines() if line.startswith("sip:"))
    assert well.split()[:5] == ["sip:127.0.0.1:5061", "AVAILABLE", "200", "12.5", "ms"]
    assert bad.split()[:3] == ["sip:127.0.0.1:5062", "DOWN", "-"]
    assert bad.endswith("Connection refused")


@pytest.mark.parametrize(
    "arguments",
    [["trunks", "list"], ["trunks", "show", "carrier-b"], ["routes", "decide", "+15551230001"]],
)
async def test_states_that_are_held_come_with_a_note(arguments: list[str]) -> None:
    async with service() as there:
        before = await there.command(*arguments)
        assert before.err == ""
        since_ms = there.world.context.now_ms()
        there.world.pipeline.doubts = Trusting()
        there.world.pipeline.doubts.evidence = IsolationEvidence(
            rule=IsolationRule.LINK, since_ms=since_ms, problem="the network interface lan is down"
        )
        outcome = await there.command(*arguments)
        assert outcome.code == before.code
        assert outcome.out
        assert outcome.err.startswith("The prober of edge-1 has been isolated for ")
        assert outcome.err.count("\n") == 1
        as_json = await there.command(*arguments, "--json")
        assert as_json.err == ""


async def test_disabling_and_enabling_is_seen_at_once() -> None:
    async with service() as there:
        assert await there.said("trunks", "disable", "carrier-a") == (
            "carrier-a is out of service; its state is DOWN.\n"
        )
        assert not there.world.roster.record("carrier-a").admin_enabled
        assert await there.said("trunks", "enable", "carrier-a") == (
            "carrier-a is in service; its state is UNKNOWN.\n"
        )
        assert there.world.roster.record("carrier-a").admin_enabled
        history = cells(await there.said("trunks", "history", "carrier-a"))
    assert [row[2:5] for row in history[1:]] == [
        ["DOWN", "UNKNOWN", "ADMIN_ENABLED"],
        ["UNKNOWN", "DOWN", "ADMIN_DISABLED"],
    ]


async def test_a_probe_is_sent_now() -> None:
    async with service() as there:
        out = await there.said("trunks", "probe", "carrier-a")
    assert out.startswith("carrier-a: 2 probes on the way; ")


@pytest.mark.parametrize(
    ("arguments", "code", "fragment"),
    [
        (["trunks", "show", "nobody"], 1, "There is no trunk with the id nobody."),
        (["trunks", "explain", "a/b"], 1, "There is"),
        (["trunks", "enable", "off-by-file"], 1, "set enabled = true there instead"),
        (["trunks", "probe", "unprobed"], 1, "Keepalives are switched off"),
        (["routes", "decide", "garbage"], 2, "garbage"),
        (["events", "tail", "--after", "yesterday"], 2, "not a cursor"),
        (
            ["trunks", "list", "--state", "BROKEN"],
            2,
            '--state must be "UNKNOWN", "AVAILABLE", "DEGRADED" or "DOWN", not "BROKEN".',
        ),
        (["trunks", "list", "--direction", "up"], 2, '"inbound", "outbound" or "both", not "up".'),
    ],
)
async def test_what_the_api_objects_to_is_one_sentence(
    arguments: list[str], code: int, fragment: str
) -> None:
    async with service() as there:
        outcome = await there.command(*arguments)
    assert outcome.code == code
    assert fragment in outcome.complaint


async def test_routes_are_listed() -> None:
    async with service() as there:
        eu, us = (await there.said("routes", "list")).splitlines()[1:]
    assert eu.split()[:4] == ["eu", "outbound", "+44", "eu"]
    assert "+1, +4930000000-+4930999999" in us
    assert "carrier-a (1/100), carrier-b (2/100)" in us


async def test_a_decision_lists_who_is_tried_and_who_is_not() -> None:
    async with service() as there:
        there.world.succeed("carrier-a")
        there.world.fail("carrier-b")
        out = await there.said("routes", "decide", "+15551230001")
    tried, skipped = out.split("\n\n")
    assert tried.startswith("+15551230001 goes over route us (+1).\n")
    row = cells(tried)[2]
    assert (row[:3], row[-3:]) == (["1", "carrier-a", "AVAILABLE"], ["1", "100", "100%"])
    row = cells(skipped)[1]
    assert row[:2] == ["carrier-b", "DOWN"]
    assert skipped.endswith("KEEPALIVE_FAILURE: it does not answer, or not well\n")


async def test_a_call_that_nobody_can_take_is_exit_1() -> None:
    async with service() as there:
        outcome = await there.command("routes", "decide", "+33123456789")
        as_json = await there.command("routes", "decide", "+33123456789", "--json")
    assert (outcome.code, outcome.err) == (1, "")
    assert outcome.out == "No route has this number.\n"
    assert (as_json.code, json.loads(as_json.out)["reason"]) == (1, "NO_ROUTE")


async def test_streams_are_listed_with_their_deliveries_and_no_secret() -> None:
    async with service() as there:
        out = await there.said("streams", "list")
    audit, noc = out.splitlines()[1:]
    assert audit.split()[0] == "audit"
    assert [cell for cell in noc.split() if cell.isdigit()][:3] == ["7", "2", "1"]
    assert noc.endswith("answered 500")
    assert all(secret not in out for secret in ("hunter2", "tops3cret", "whsec"))


async def test_tail_shows_the_latest_changes_oldest_first() -> None:
    async with service() as there:
        await there.world.flap("carrier-b", 4)
        await there.world.flap("carrier-a", 1)
        out = await there.said("events", "tail", "-n", "2", "--trunk", "carrier-b")
        after = await there.said("events", "tail", "--after", "2", "--json")
    first, second = out.splitlines()
    assert first.endswith("carrier-b  AVAILABLE -> DOWN  KEEPALIVE_FAILURE after 3 failed attempts")
    assert second.endswith("carrier-b  DOWN -> AVAILABLE  KEEPALIVE_RESTORED")
    events = [json.loads(line) for line in after.splitlines()]
    assert len(events) == (await there.world.store.last_position()) - 2
    assert {event["eventType"] for event in events} == {"telephony.trunks.stateChange"}


@pytest.mark.parametrize(
    ("number", "pages"),
    [
        (2, ["limit=3", "after={}&limit=1000"]),
        (0, ["limit=1", "after={}&limit=1000"]),
        (30, ["limit=31", "limit=1000"]),
    ],
)
async def test_tail_reads_the_end_of_the_log_and_not_the_rest(
    number: int, pages: list[str]
) -> None:
    asked: list[str] = []
    async with running() as world:

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                asked.append(scope["query_string"].decode())
            await world.app(scope, receive, send)

        await world.flap("carrier-b", 20)
        recorded = await world.store.read()
        async with serve_http(app, "127.0.0.1", 0) as (host, port):
            arguments = ("-n", str(number), "--json", "--url", f"http://{host}:{port}")
            outcome = await command("events", "tail", *arguments)
    latest = recorded[max(0, len(recorded) - number) :]
    shown = [json.loads(line) for line in outcome.out.splitlines()]
    assert shown == [json.loads(event.body) for event in latest]
    place = latest[0].position - 1 if latest else recorded[-1].position
    assert asked == [f"order=desc&{pages[0]}", pages[1].format(place)]


async def test_following_shows_changes_as_they_happen_until_ctrl_c() -> None:
    async with service() as there:
        await there.world.flap("carrier-b", 1)
        arguments = ("events", "tail", "-f", "-n", "1", "--trunk", "carrier-b", "--url", there.url)
        async with process(*arguments) as child:
            assert "carrier-b  UNKNOWN -> DOWN" in await line_of(child.stdout)
            there.world.succeed("carrier-a")
            there.world.succeed("carrier-b")
            assert "carrier-b  DOWN -> AVAILABLE" in await line_of(child.stdout)
            child.send_signal(signal.SIGINT)
            out, err = await child.communicate()
    assert (child.returncode, out, err) == (130, b"", b"")


async def test_following_outlives_a_service_that_goes_away() -> None:
    # A port that nobody else is given meanwhile, who would be asked for events.
    async with service(free_port("127.0.0.1")) as there:
        await there.world.flap("carrier-b", 1)
        arguments = ("events", "tail", "-f", "-n", "1", "--url", there.url)
        child_block = process(*arguments)
        child = await child_block.__aenter__()
        assert "carrier-b" in await line_of(child.stdout)
    try:
        assert "It is tried again until Ctrl-C." in await line_of(child.stderr)
        assert child.returncode is None
        child.send_signal(signal.SIGINT)
        await child.communicate()
        assert child.returncode == 130
    finally:
        await child_block.__aexit__(None, None, None)


async def test_a_service_that_is_not_there_is_one_sentence() -> None:
    outcome = await command("trunks", "list", "--url", "http://127.0.0.1:9")
    assert outcome.code == 1
    assert outcome.complaint == (
        "Nothing answers at http://127.0.0.1:9 (Connection refused); start it with"
        " 'trunkpulse serve', or say with --url where it is."
    )


@pytest.mark.parametrize(
    ("status", "body", "media_type", "fragment"),
    [
        (200, "<html>", "text/html", "nothing that trunkpulse would say"),
        (200, "[]", "application/json", "check that --url names a trunkpulse"),
        (200, '{"entities": [{"id": 4}], "nextCursor": null}', "application/json", '"id"'),
        (502, "bad gateway", "text/plain", "status 502"),
        (401, '{"detail": "No token."}', "application/problem+json", "--token or TRUNKPULSE_TOKEN"),
    ],
)
async def test_another_program_at_that_address_is_one_sentence(
    status: int, body: str, media_type: str, fragment: str
) -> None:
    async with stranger(status, body, media_type) as url:
        outcome = await command("trunks", "list", "--url", url)
    assert outcome.code == 1
    assert fragment in outcome.complaint


async def test_the_token_is_sent_and_may_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stranger(403, '{"detail": "TOKEN"}', "application/problem+json") as url:
        given = await command("streams", "list", "--url", url, "--token", "abc")
        monkeypatch.setenv("TRUNKPULSE_TOKEN", "xyz")
        monkeypatch.setenv("TRUNKPULSE_URL", url)
        inherited = await command("streams", "list")
    assert given.complaint == "Bearer abc"
    assert inherited.complaint == "Bearer xyz"


async def test_the_service_is_found_by_its_file_even_if_a_secret_is_not_set(tmp_path: Path) -> None:
    async with service() as there:
        file = tmp_path / "trunkpulse.toml"
        file.write_text(
            f'[api]\nlisten = "{there.url.removeprefix("http://")}"\n'
            '[[event_streams]]\nid = "x"\nname = "x"\n'
            'destination = {type = "webhook", url = "http://127.0.0.1:9", secret = "env:NOT_SET"}\n'
        )
        outcome = await command(
            "trunks", "list", "--config", str(file), "--data", str(tmp_path), "--q", "carrier-a"
        )
    assert (outcome.code, outcome.err) == (0, "")
    assert "carrier-a" in outcome.out


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("[api", "not valid TOML"),
        ('[api]\nlisten = "127.0.0.1:0"', "lets the system choose the port"),
        ("[api]\nlisten = 8080", "must be a text in quotes"),
        ('[api]\nlisten = "everywhere:8080"', "must be an IP address and a port"),
    ],
)
async def test_a_file_that_does_not_say_where_is_one_sentence(
    tmp_path: Path, text: str, fragment: str
) -> None:
    file = tmp_path / "trunkpulse.toml"
    file.write_text(text)
    outcome = await command("routes", "list", "--config", str(file))
    assert outcome.code == 2
    assert fragment in outcome.complaint


@pytest.mark.parametrize(
    "arguments",
    [
        ["--url", "127.0.0.1:8080"],
        ["--url", "ftp://127.0.0.1"],
        ["--url", "http://"],
        ["--url", "http://127.0.0.1:99999"],
        ["--url", "http://bob:secret@127.0.0.1"],
        ["--token", "two words"],
        ["--url", "http://127.0.0.1:1", "--config", "x.toml"],
    ],
)
async def test_an_address_that_cannot_be_is_one_sentence_and_exit_2(arguments: list[str]) -> None:
    outcome = await command("trunks", "list", *arguments)
    assert outcome.code == 2
    assert outcome.complaint.endswith(".")


async def test_a_reader_that_goes_away_ends_the_command_quietly() -> None:
    async with service() as there:
        await there.world.flap("carrier-b", 30)
        async with process("events", "tail", "-n", "30", "--url", there.url) as child:
            assert child.stdout is not None
            transport = child._transport.get_pipe_transport(1)  # type: ignore[attr-defined]
            transport.close()  # as head(1) does; asyncio has no public way to do it
            assert child.stderr is not None
            err = await child.stderr.read()
            await child.wait()
    assert (child.returncode, err) == (141, b"")
    await asyncio.sleep(0)  # the loop forgets the closed pipe
