"""``trunkpulse trunks explain ID --replay``: what other keepalive settings would have come to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
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
        ("when", "recorded", "in force", "replayed"),
        _beside(
            answer.documents("recorded"), answer.documents("present"), answer.documents("replayed")
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
            ("when", "in force", "replayed"),
            _beside(target.documents("present"), target.documents("replayed")),
            none="It would not have changed, and did not.",
        )


def _setting(text: str) -> tuple[str, object]:
    """A member of ``keepalive`` and its value; names as in the file or as in JSON."""
    name, value = pair("--replay", text)
    member = camel_case(name.removeprefix("keepalive."))
    if member == "healthyResponses":
        return member, [each.strip() for each in value.split(",")]
    try:
        found = json.loads(value)
        # Python reads NaN, 1e999 and halves of characters, which no request can carry.
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return member, value
    return member, found


def _span(answer: Document) -> str:
    since, exact = answer.number("since"), answer.number_or_none("exactFrom")
    text = f"from {clock_time(since)} to {clock_time(answer.number('until'))}"
    if exact is None:
        return f"{text}, put together from recorded changes alone"
    if exact > since:
        return f"{text}; attempts are remembered from {clock_time(exact)} on"
    return text


def _beside(*histories: Sequence[Document]) -> Iterator[list[str | Text]]:
    """A row for each second in which one of ``histories`` has a change, with a cell for each."""
    rows: dict[tuple[int, int], list[str | Text]] = {}
    for place, history in enumerate(histories):
        in_second: Counter[int] = Counter()
        for change in history:
            second = int(change.number("at") // 1000)
            cells = rows.setdefault((second, in_second[second]), [""] * len(histories))
            cells[place] = state_text(change.text("state"))
            in_second[second] += 1
    for (second, _), cells in sorted(rows.items(), key=lambda row: row[0]):
        yield [clock_time(second * 1000), *cells]


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return plain_number(value) if isinstance(value, float) else str(value)
