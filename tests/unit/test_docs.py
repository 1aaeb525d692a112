"""What the documentation says is tried: files load, commands parse, links lead somewhere."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks.webhook import WebhookSink
from trunkpulse.cli.program import program
from trunkpulse.config import load_config
from trunkpulse.events.envelope import decode, encode
from trunkpulse.model import Destination, EventStream, FailureKind, Reason, TrunkState
from trunkpulse.ports import Delivery, DeliveryOutcome
from unit.config.pem import made

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)\s]*)\)")
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(language: str) -> list[Any]:
    """Every fenced block of a language, named by its page and its place there."""
    return [
        pytest.param(match[2], id=f"{name_of(page)}-{place}")
        for page in PAGES
        for place, match in enumerate(FENCE.finditer(page.read_text(encoding="utf-8")))
        if match[1] == language
    ]


def outside_of_blocks(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def rows_after(page: str, heading: str) -> list[list[str]]:
    """The body of the first table below ``heading``, cell by cell."""
    text = (ROOT / page).read_text(encoding="utf-8").partition(heading)[2]
    table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert table is not None, f"{page} has no table after {heading!r}"
    lines = table[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


# --- generated parts -----------------------------------------------------------------------------


def test_generated_parts_are_what_the_program_says_today() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs/generate.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_detection_times_follow_the_formula_that_is_given() -> None:
    page = "docs/how-to/choose-keepalive-settings.md"
    rows = rows_after(page, "generated: detection-times")
    assert rows
    for row in rows:
        interval, attempts, confirm, timeout = map(float, row[:4])
        times = [float(cell.removesuffix(" s")) for cell in row[4:]]
        calm = interval * 1.05
        silent = calm + (attempts - 1) * max(confirm, timeout) + timeout
        refusing = calm + (attempts - 1) * confirm
        recovery = 15 * 1.05 + confirm
        assert times == pytest.approx([silent, refusing, recovery], abs=0.06)


def test_the_default_settings_notice_an_outage_within_the_time_that_is_promised() -> None:
    page = ROOT / "docs/how-to/choose-keepalive-settings.md"
    promised = re.search(
        r"within (\d+) seconds", page.read_text(encoding="utf-8").replace("\n", " ")
    )
    assert promised is not None
    silent = rows_after(name_of(page), "generated: detection-times")[0][4]
    assert float(silent.removesuffix(" s")) <= float(promised[1])


def test_every_reason_is_explained() -> None:
    page = "docs/explanation/states-and-reasons.md"
    explained = [row[0].strip("`") for row in rows_after(page, "## Reasons")]
    assert sorted(explained) == sorted(Reason)


# --- configuration files -------------------------------------------------------------------------


PEM_FILES = {"ca_file": "ca.pem", "cert_file": "me.pem", "key_file": "me.key"}
PROFILE = re.compile(r"# (profiles/\w+\.toml)\n")


@pytest.fixture(scope="session")
def pem_contents() -> dict[str, bytes]:
    contents = made().contents
    return {key: contents[name] for key, name in PEM_FILES.items()}


def a_secret(name: str) -> str:
    """One of the kind that a variable or a file of this name holds."""
    if "ROUTING_KEY" in name:
        return "R" * 32
    return "slack://a/b/c" if "apprise" in name else SECRET


@pytest.mark.parametrize("text", blocks("toml"))
def test_configuration_loads(text: str, pem_contents: dict[str, bytes], tmp_path: Path) -> None:
    for block in blocks("toml"):
        for name in PROFILE.findall(block.values[0]):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(block.values[0])
    if profile := PROFILE.match(text):
        text = (
            f'[[trunks]]\nid = "a"\nprofile = "{profile[1]}"\ntargets = ["sip:x;transport=tcp"]\n'
            'advanced = { password = "env:PASSWORD" }\n'
        )
    for key, name in re.findall(r'(\w+_file) = "([\w.-]+)"', text):
        (tmp_path / name).write_bytes(pem_contents[key])
    environ = {name: a_secret(name) for name in re.findall(r'"env:(\w+)"', text)}
    for secret in re.findall(r'"file:([\w.]+)"', text):
        (tmp_path / secret).write_text(a_secret(secret))
    file = tmp_path / "trunks.toml"
    file.write_text(text)
    config = load_config(file, environ)  # raises ConfigError with what is wrong
    assert config.api.listen[1] == 8080


# --- commands ------------------------------------------------------------------------------------


def command_lines(session: str) -> list[str]:
    whole = session.replace("\\\n", "")  # a command that goes on in the next line
    return [line[2:] for line in whole.splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize("session", blocks("console"))
def test_commands_exist_with_these_options(session: str) -> None:
    lines = command_lines(session)
    assert lines, "a console block shows what is typed after a dollar sign"
    for line in lines:
        words = list(takewhile(lambda word: word not in {">", "|"}, shlex.split(line)))
        if words[0].startswith("scripts/"):
            assert (ROOT / words[0]).is_file()
        if words[0] == "trunkpulse":
            parse(words[1:])


def parse(arguments: list[str]) -> None:
    """Read a command line as the program does, without carrying it out; raises for a mistake."""
    command = get_command(program)
    if arguments == ["--version"]:
        assert any("--version" in parameter.opts for parameter in command.params)
        return
    while isinstance(command, TyperGroup):
        name, *arguments = arguments
        assert name in command.commands, f"there is no command {name}"
        found = command.commands[name]
        assert isinstance(found, TyperCommand | TyperGroup)
        command = found
    command.make_context(command.name, arguments)


def test_a_command_line_with_an_unknown_option_would_be_found() -> None:
    with pytest.raises(Exception, match="--frobnicate"):
        parse(["trunks", "list", "--frobnicate"])


# --- links and pages -----------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", outside_of_blocks(page), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(outside_of_blocks(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), f"{link} leads to no file"
        if anchor:
            assert anchor in anchors(target), f"{link} leads to no heading"


def test_every_page_is_in_the_table_of_contents() -> None:
    contents = ROOT / "docs/README.md"
    listed = {(contents.parent / link).resolve() for link in LINK.findall(contents.read_text())}
    missing = [name_of(page) for page in PAGES if "docs" in page.parts and page not in listed]
    assert missing == ["docs/README.md"]


def test_every_metric_that_is_named_exists() -> None:
    reference = {row[0].strip("`") for row in rows_after("docs/reference/metrics.md", "generated:")}
    for page in PAGES:
        named = set(re.findall(r"\btrunkpulse_[a-z_]+\b", page.read_text(encoding="utf-8")))
        assert named <= reference, name_of(page)


# --- the event and its receiver ------------------------------------------------------------------


def example_event() -> str:
    block = FENCE.search((ROOT / "docs/reference/event.md").read_text(encoding="utf-8"))
    assert block is not None
    assert block[1] == "json"
    return block[2]


def test_the_example_event_has_the_keys_of_a_real_one() -> None:
    shown = json.loads(example_event())
    assert json.loads(encode(decode(example_event()))) == shown


def test_the_event_reference_names_every_key_state_and_failure() -> None:
    text = (ROOT / "docs/reference/event.md").read_text(encoding="utf-8")
    tables = text.rpartition("```")[2]
    event = json.loads(example_event())
    keys = [*event, *(f"metadata.{key}" for key in event["metadata"])]
    keys += event["metadata"]["evidence"][0]
    for word in [*keys, *TrunkState, *FailureKind]:
        assert f"`{word}`" in tables or word == "metadata"


def test_every_failure_is_explained_with_the_reason_that_it_carries() -> None:
    rows = rows_after("docs/reference/event.md", "A local time-out")
    told = {failure.strip("`"): reason.strip("`") for failure, _, reason in rows}
    assert told == {kind: kind.reason for kind in FailureKind}


@contextmanager
def receiver_of_the_tour(folder: Path) -> Iterator[str]:
    """The receiver of the README, on a port of its own; gives its URL."""
    source = next(block.values[0] for block in blocks("python") if "class Hook" in block.values[0])
    names: dict[str, Any] = {"__name__": "receiver"}
    exec(compile(source, "receiver.py", "exec"), names)
    names["SECRET"] = folder / "webhook.secret"
    names["SECRET"].write_text(SECRET)
    hook = names["Hook"]
    assert issubclass(hook, BaseHTTPRequestHandler)
    with ThreadingHTTPServer(("127.0.0.1", 0), hook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/hook"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("secret", "outcome", "printed"),
    [
        (SECRET, DeliveryOutcome.ACCEPTED, "Carrier A AVAILABLE -> DOWN NETWORK_ERROR\n"),
        (SECRET.replace("MDEy", "OTk5"), DeliveryOutcome.TRY_LATER, ""),
        (None, DeliveryOutcome.TRY_LATER, ""),
    ],
    ids=["genuine", "another key", "not signed"],
)
async def test_the_receiver_of_the_tour_takes_only_genuine_events(
    secret: str | None,
    outcome: DeliveryOutcome,
    printed: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change = decode(example_event())
    with receiver_of_the_tour(tmp_path) as url:
        stream = EventStream(
            id="noc",
            name="noc",
            destination=Destination(type="webhook", url=url, secret=secret),
            managed_by="edge.toml",
        )
        sink = WebhookSink(stream, Outside())
        delivery = Delivery(
            id=1,
            stream_id="noc",
            trunk_id=change.trunk_id,
            event_id=change.event_id,
            position=1,
            body=encode(change),
            attempts=0,
            created_ms=change.at_ms,
        )
        answer = await sink.deliver(delivery)
        await sink.close()
    assert answer.outcome is outcome
    assert capsys.readouterr().out == printed
