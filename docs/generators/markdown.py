"""Tables and diagrams as GitHub shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["mermaid", "table"]


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; a bar within a cell is escaped."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


def mermaid(lines: Iterable[str]) -> str:
    """A state diagram."""
    return "\n".join(["```mermaid", "stateDiagram-v2", *(f"    {line}" for line in lines), "```\n"])
