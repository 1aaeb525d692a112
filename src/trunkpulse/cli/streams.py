"""``trunkpulse streams``: where events are delivered, and how well that goes."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from trunkpulse.cli.connection import Api, over_api
from trunkpulse.cli.document import Document
from trunkpulse.cli.output import print_json, print_table

__all__ = ["streams"]

PATH = "/api/v2/events/streams"

streams = typer.Typer(
    help="Event streams and their deliveries.", no_args_is_help=True, rich_markup_mode=None
)


COUNTS = ("delivered", "retried", "parked", "dead")
"""What became of a stream's deliveries, as the API names it."""


@streams.command("list")
@over_api
def list_streams(api: Api) -> None:
    """List event streams and what has been delivered to each."""
    found = [stream for page in api.pages(PATH) for stream in page.documents("entities")]
    if api.as_json:
        print_json({"entities": [stream.members for stream in found], "nextCursor": None})
        return
    print_table(
        ("id", "destination", "trunks", "reasons", *COUNTS, "trouble"),
        (tuple(_row(stream)) for stream in found),
        none="There are no event streams.",
    )


def _row(stream: Document) -> Iterator[str]:
    destination = stream.document("destination")
    yield stream.text("id")
    yield f"{destination.text('type')} {destination.text('url')}"
    yield ", ".join(stream.texts("trunks")) or "all"
    yield ", ".join(stream.texts("reasonCodes"))
    if stream.members.get("delivery") is None:
        yield from (*("-" for _ in COUNTS), "")
    else:
        delivery = stream.document("delivery")
        for key in COUNTS:
            yield f"{delivery.number(key):g}"
        yield delivery.text_or_none("lastError") or ""
