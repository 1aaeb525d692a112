"""``trunkpulse advice``: what to reconsider, and what was accepted for good."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from trunkpulse.cli.connection import Api, over_api
from trunkpulse.cli.document import Document
from trunkpulse.cli.output import clock_time, paint, print_json, print_line, print_table

__all__ = ["advice", "print_advice"]

PATH = "/api/v2/advice"

_STYLES: Final = {"warning": "yellow", "info": "cyan"}

advice = typer.Typer(
    help="What to reconsider, and what was accepted for good.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AdviceId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="A code, or a code and where it stands, in one pair of quotes, such as"
        " 'interval_short trunk \"carrier-a\"'.",
    ),
]


@advice.command("list")
@over_api
def list_advice(
    api: Api,
    *,
    accepted: Annotated[
        bool, typer.Option("--accepted", help="What was accepted, instead of what was not.")
    ] = False,
) -> None:
    """List what to reconsider: code, where, why and what to do."""
    if accepted:
        _list_accepted(api)
        return
    found = [each for page in api.pages(PATH) for each in page.documents("entities")]
    if api.as_json:
        print_json({"entities": [each.members for each in found], "nextCursor": None})
        return
    print_table(
        ("severity", "code", "where", "why", "what to do"),
        (
            (
                paint(each.text("severity"), _STYLES.get(each.text("severity"), "dim")),
                each.text("code"),
                each.text("where"),
                each.text("why"),
                each.text("fix"),
            )
            for each in found
        ),
        none="There is nothing to reconsider.",
    )


@advice.command()
@over_api
def accept(api: Api, advice_id: AdviceId) -> None:
    """Accept advice for good: it is given no more, anywhere.

    Once something else is the matter, or the same with another trunk, it is there again; a code
    alone accepts all advice of that kind.
    """
    accepted = api.post(f"{PATH}/accept", {"id": advice_id})
    if api.as_json:
        print_json(accepted.members)
        return
    count = int(accepted.number("hides"))
    hidden = "which no advice has now" if not count else f"which hides {count} at present"
    print_line(f"{accepted.text('id')} is accepted, {hidden}.")


@advice.command()
@over_api
def unaccept(api: Api, advice_id: AdviceId) -> None:
    """Have advice that was accepted given again."""
    taken_back = api.post(f"{PATH}/unaccept", {"id": advice_id})
    if api.as_json:
        print_json(taken_back.members)
    else:
        print_line(f"{taken_back.text('id')} is accepted no more.")


def _list_accepted(api: Api) -> None:
    found = [each for page in api.pages(f"{PATH}/accepted") for each in page.documents("entities")]
    if api.as_json:
        print_json({"entities": [each.members for each in found], "nextCursor": None})
        return
    print_table(
        ("id", "hides", "accepted", "declared in"),
        (
            (
                each.text("id"),
                f"{each.number('hides'):g}",
                "-" if (at := each.number_or_none("acceptedAt")) is None else clock_time(at),
                each.text_or_none("managedBy") or "the API",
            )
            for each in found
        ),
        none="No advice is accepted.",
    )


def print_advice(saved: Document) -> None:
    """A line for each advice that came with ``saved``, if any came."""
    for each in saved.documents("advice") if "advice" in saved.members else ():
        style = "yellow" if each.text("severity") == "warning" else "dim"
        print_line(paint("advice", style), f"  {each.text('where')}: {each.text('detail')}")
