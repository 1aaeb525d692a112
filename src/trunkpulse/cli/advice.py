"""Shows what to reconsider in what was saved just now."""

from __future__ import annotations

from trunkpulse.cli.document import Document
from trunkpulse.cli.output import paint, print_line

__all__ = ["print_advice"]


def print_advice(saved: Document) -> None:
    """A line for each advice that came with ``saved``, if any came."""
    for each in saved.documents("advice") if "advice" in saved.members else ():
        style = "yellow" if each.text("severity") == "warning" else "dim"
        print_line(paint("advice", style), f"  {each.text('where')}: {each.text('detail')}")
