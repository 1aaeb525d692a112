"""``trunkpulse trunks explain ID --replay``: what other keepalive settings would have come to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import zip_longest
from typing import Annotated, Final

import typer
from rich.text import Text

from trunkpulse.cli.connection import Api, segment
from trunkpulse.cli.document import Document
from trunkpulse.cli.output import clock_time, paint, print_json, print_line, print_table, state_text
from trunkpulse.cli.stream_options import pair
from trunkpulse.cli.trunk_sheet import where
from trunkpulse.config.json_documents import camel_case
from trunkpulse.config.wording import plain_number

__all__ = ["Replay", "print_replay"]

PATH: Final = "/api/v2/telephony/trunks"

Replay = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Judge the recorded attempts by another keepalive setting, such as"
        " max_failed_attempts=5 or healthy_responses=2xx,404; may be given again.",
    ),
]


def print_replay(api: Api, trunk_id: str, settings: Sequence[str]) -> None:
    """Print what the service makes of the record with ``settings``, each NAME=VALUE."""
    keepalive = dict(_setting(each) for each in settings)
    answer = api.post(f"{PATH}/{segment(trunk_id)}/replay", {"keepalive": keepalive})
    if api.as_json:
        print_json(answer.members)
        return
    print_line(answer.text("summary"))
    replayed = answer.document("keepalive").members
    changed = ", ".join(f"{name} {_text(replayed.get(name))}" for name in answer.texts("changed"))
    print_line(paint("replayed  ", "dim"), changed or "the settings in force")
    print_line(paint("record    ", "dim"), _span(answer))
    for note in answer.texts("notes"):
        print_line(paint("note      ", "yellow"), note)
    print_line()
    print_table(
        ("recorded", "state", "in force", "state", "replayed", "state"),
        (
            [cell for change in row for cell in _change(change)]
            for row in zip_longest(
                answer.documents("recorded"),
                answer.documents("present"),
                answer.documents("replayed"),
            )
        ),
        none="It would not have changed, and did not.",
    )
    targets = answer.documents("targets")
    if len(targets) > 1:
        _print_targets(targets)


def _print_targets(targets: Sequence[Document]) -> None:
    for target in targets:
        print_line()
        print_line(paint(where(target), "bold"))
        print_table(
            ("in force", "state", "replayed", "state"),
            (
                [cell for change in row for cell in _change(change)]
                for row in zip_longest(target.documents("present"), target.documents("replayed"))
            ),
            none="It would not have changed, and did not.",
        )


def _setting(text: str) -> tuple[str, object]:
    """A member of ``keepalive`` and its value; names as in the file or as in JSON."""
    name, value = pair("--replay", text)
    member = camel_case(name.removeprefix("keepalive."))
    if member == "healthyResponses":
        return member, [each.strip() for each in value.split(",")]
    try:
        return member, json.loads(value)
    except (ValueError, RecursionError):
        return member, value


def _span(answer: Document) -> str:
    since, exact = answer.number("since"), answer.number_or_none("exactFrom")
    text = f"from {clock_time(since)} to {clock_time(answer.number('until'))}"
    if exact is None:
        return f"{text}, put together from recorded changes alone"
    if exact > since:
        return f"{text}; attempts are remembered from {clock_time(exact)} on"
    return text


def _change(change: Document | None) -> tuple[str | Text, str | Text]:
    if change is None:
        return "", ""
    return clock_time(change.number("at")), state_text(change.text("state"))


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return plain_number(value) if isinstance(value, float) else str(value)
