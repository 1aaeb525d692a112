"""``trunkpulse trunks numbers``: round trips and losses of a trunk's targets over the last hours.

About sixty steps are asked for, whatever the time: they make the line above each table. The table
itself fits on a screen: a row is a step while these are few, else five of them. Like the steps of
the API, rows begin at multiples of their length.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Annotated, Final, NamedTuple

import typer

from trunkpulse.cli.connection import Api, over_api, segment
from trunkpulse.cli.document import Document
from trunkpulse.cli.output import (
    Cell,
    amount,
    clock_time,
    paint,
    print_json,
    print_line,
    print_table,
    state_text,
)
from trunkpulse.cli.trunk_sheet import percent

__all__ = ["numbers", "spark_line"]

STEPS: Final = 60
STEPS_PER_ROW: Final = 5
FEW_ROWS: Final = 12
DAY_MINUTES: Final = 1440
STEP_MINUTES: Final = (1, 2, 4, 6, 12, 24, 48, 72, 144, 288)
"""Five of each are a row that begins at a round time of the day."""
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
BARS: Final = "▁▂▃▄▅▆▇█"
ALL_LOST: Final = "\N{MULTIPLICATION SIGN}"
NO_ATTEMPT: Final = " "


class Step(NamedTuple):
    """What the attempts at one target came to in some minutes."""

    at_ms: float
    answers: int
    losses: int
    mean_ms: float
    """0 without an answer, as is ``max_ms``."""
    max_ms: float
    jitter_ms: float | None
    state: str


@over_api
def numbers(
    api: Api,
    trunk_id: Annotated[str, typer.Argument(metavar="ID", help="The trunk's id.")],
    *,
    hours: Annotated[int, typer.Option(min=1, max=720, help="How far back to look, in hours.")] = 1,
    step: Annotated[
        int | None,
        typer.Option(
            metavar="MINUTES",
            min=1,
            max=DAY_MINUTES,
            help="What a row stands for; without it what fits on a screen.",
        ),
    ] = None,
) -> None:
    """Show how a trunk's round trips and losses went over the last hours."""
    path = f"/api/v2/telephony/trunks/{segment(trunk_id)}/numbers"
    until = int(time.time() * 1000)
    step_minutes = step or _step_minutes(hours)
    step_ms = step_minutes * MINUTE_MS
    since = (until - hours * HOUR_MS) // step_ms * step_ms  # steps begin at their multiples
    query = {"from": since, "to": until, "step": step_minutes}
    found = [each for page in api.pages(path, query) for each in page.documents("entities")]
    if api.as_json:
        print_json({"entities": [each.members for each in found], "nextCursor": None})
        return
    if not found:
        print_line(
            f"Nothing is kept of {trunk_id} from the last {_hours(hours)}; numbers.rollup_trunks in"
            " the configuration says of how many trunks it is."
        )
        return
    found.sort(key=_target_of)
    for number, (target, documents) in enumerate(groupby(found, key=_target_of)):
        if number:
            print_line()
        steps = [_step(each) for each in documents]
        is_few = step is not None or len(steps) <= FEW_ROWS
        row_ms = step_ms if is_few else STEPS_PER_ROW * step_ms
        bar_ms = step_ms * -(-hours * HOUR_MS // (STEPS * step_ms))
        _print_target(target, steps, (since, until), bar_ms, row_ms)


def _step_minutes(hours: int) -> int:
    return next((each for each in STEP_MINUTES if each >= hours), DAY_MINUTES)


def _print_target(
    target: tuple[str, str],
    steps: Sequence[Step],
    span: tuple[int, int],
    bar_ms: int,
    row_ms: int,
) -> None:
    uri, address = target
    whole = _sum_of(steps)
    first, last = span[0] // bar_ms, span[1] // bar_ms
    bars = {int(each.at_ms // bar_ms - first): each for each in _summed(steps, bar_ms)}
    print_line(paint(uri, "bold"), f" ({address})" if address and address[4:] not in uri else "")
    print_line(
        paint(spark_line(bars, last - first + 1), "cyan"),
        f"  {whole.mean_ms:.1f} ms, at most {whole.max_ms:.1f} ms;" if whole.answers else " ",
        f" {whole.losses} of {amount(whole.answers + whole.losses, 'attempt')} lost",
    )
    print_table(
        ("from", "answers", "lost", "loss", "mean", "max", "jitter", "state"),
        (tuple(_row(each)) for each in _summed(steps, row_ms)),
        none="",
    )


def _summed(steps: Sequence[Step], length_ms: int) -> Iterator[Step]:
    """The steps of each ``length_ms`` together, as of the beginning of that time."""
    for number, part in groupby(steps, key=lambda each: each.at_ms // length_ms):
        yield _sum_of(list(part))._replace(at_ms=number * length_ms)


def spark_line(steps: Mapping[int, Step], width: int) -> str:
    """A bar for the mean round trip of each step, from nothing to the longest of them."""
    longest = max((each.mean_ms for each in steps.values()), default=0.0)
    return "".join(_bar(steps.get(place), longest) for place in range(width))


def _bar(step: Step | None, longest_ms: float) -> str:
    if step is None:
        return NO_ATTEMPT
    if not step.answers:
        return ALL_LOST
    share = step.mean_ms / longest_ms if longest_ms else 0.0
    return BARS[min(len(BARS) - 1, int(share * len(BARS)))]


def _row(step: Step) -> Iterator[Cell]:
    answered, jitter = step.answers > 0, step.jitter_ms
    yield clock_time(step.at_ms)
    yield str(step.answers)
    yield paint(str(step.losses), "red" if step.losses else "")
    yield percent(step.losses / (step.answers + step.losses))
    yield f"{step.mean_ms:.1f} ms" if answered else "-"
    yield f"{step.max_ms:.1f} ms" if answered else "-"
    yield "-" if jitter is None else f"{jitter:.1f} ms"
    yield state_text(step.state)


def _sum_of(steps: Sequence[Step]) -> Step:
    """All of these together; what is told as of the end is that of the last one."""
    answers = sum(each.answers for each in steps)
    total_ms = sum(each.mean_ms * each.answers for each in steps)
    return Step(
        steps[0].at_ms,
        answers,
        sum(each.losses for each in steps),
        total_ms / answers if answers else 0.0,
        max(each.max_ms for each in steps),
        steps[-1].jitter_ms,
        steps[-1].state,
    )


def _step(document: Document) -> Step:
    return Step(
        document.number("at"),
        int(document.number("answers")),
        int(document.number("losses")),
        document.number_or_none("rttMeanMs") or 0.0,
        document.number_or_none("rttMaxMs") or 0.0,
        document.number_or_none("jitterMs"),
        document.text("state"),
    )


def _target_of(document: Document) -> tuple[str, str]:
    return document.text("uri"), document.text_or_none("address") or ""


def _hours(hours: int) -> str:
    return "hour" if hours == 1 else f"{hours} hours"
