"""The rows of a run as a table in a terminal, as JSON, and as a picture."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.findings import Findings
from benchmarks.machine import Facts
from benchmarks.rows import Row, Verdict, written

__all__ = ["TABLE_COLUMNS", "as_json", "as_picture", "as_table", "as_text", "put_into_page"]

BEGINS, ENDS = "<!-- printed by scripts/bench -->", "<!-- printed until here -->"

TABLE_COLUMNS = 124
GAUGE_COLUMNS = 10
EIGHTHS = " ▏▎▍▌▋▊▉█"
STYLES = {
    Verdict.MET: "green",
    Verdict.MISSED: "bold red",
    Verdict.NO_BAR: "",
    Verdict.NOT_MEASURED: "yellow",
}

SVG_FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<title>Benchmarks of trunkpulse</title>
<style>
.{unique_id}-matrix {{
    font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
    font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width;
}}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""Rich's own format fetches a font from elsewhere; a picture in a README must not."""


def gauge(share: float) -> str:
    """How much of what is allowed is used, as blocks; full if all of it, or more."""
    eighths = min(round(share * GAUGE_COLUMNS * 8), GAUGE_COLUMNS * 8)
    full, rest = divmod(max(eighths, 1), 8)
    return (EIGHTHS[8] * full + EIGHTHS[rest].strip()).ljust(GAUGE_COLUMNS)


def as_table(rows: Sequence[Row], title: str) -> Table:
    """One line a row, by group."""
    table = Table(
        title=title, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, title_justify="left"
    )
    table.add_column("", no_wrap=True)
    table.add_column("trunkpulse", justify="right", no_wrap=True)
    table.add_column("beside", no_wrap=True)
    table.add_column("theirs", justify="right", no_wrap=True)
    table.add_column("ratio", justify="right", no_wrap=True)
    table.add_column("bar", no_wrap=True)
    table.add_column("used", no_wrap=True)
    table.add_column("", no_wrap=True)
    group = ""
    for row in rows:
        if row.group != group:
            if group:
                table.add_section()
            group = row.group
            table.add_row(f"[bold]{group}[/]")
        style = STYLES[row.verdict]
        ratio, bar = row.ratio, row.bar
        used = "" if ratio is None or bar is None else gauge(bar.used(ratio))
        table.add_row(
            f"  {row.what}",
            "" if row.ours is None else written(row.ours, row.unit),
            row.beside,
            "" if row.theirs is None else written(row.theirs, row.unit),
            "" if ratio is None else f"{ratio:.2f}",
            "" if bar is None else str(bar),
            f"[{style}]{used}[/]" if style else used,
            f"[{style}]{row.verdict}[/]" if style else "",
        )
    return table


def as_json(findings: Findings, facts: Facts, *, quick: bool) -> str:
    """Every figure, with what it depends on."""
    rows = [
        {
            "group": row.group,
            "what": row.what,
            "unit": row.unit.value,
            "trunkpulse": row.ours,
            "beside": row.beside,
            "theirs": row.theirs,
            "ratio": row.ratio,
            "bar": None if row.bar is None else str(row.bar),
            "verdict": row.verdict.name.lower(),
        }
        for row in findings.rows()
    ]
    probing = [
        {"load": asdict(load), "prober": prober, **asdict(found)}
        for (load, prober), found in findings.probing.items()
    ]
    result = {
        "machine": facts,
        "quick": quick,
        "rows": rows,
        "probing": probing,
        "served": [asdict(found) for found in findings.served.values()],
        "detection": {
            policy: {kind: asdict(found) for kind, found in kinds.items()}
            for policy, kinds in findings.detection.items()
        },
        "webhooks": findings.webhooks,
        "isolation": findings.isolation,
        "decisions_per_second": findings.decisions_per_second,
        "redirected": {name: asdict(found) for name, found in findings.redirected.items()},
        "not_measured": findings.reasons,
        "lost": findings.losses(),
    }
    return json.dumps(result, indent=2, ensure_ascii=False) + "\n"


def as_picture(table: Table, below: str) -> str:
    """The table as an SVG that fetches nothing from anywhere."""
    console = Console(
        record=True,
        width=TABLE_COLUMNS,
        file=io.StringIO(),
        force_terminal=True,
        legacy_windows=False,
    )
    console.print(table)
    console.print(below, style="dim", highlight=False)
    return console.export_svg(title="scripts/bench", code_format=SVG_FORMAT)


def as_text(table: Table, below: str) -> str:
    """What a terminal without colours shows."""
    console = Console(width=TABLE_COLUMNS, file=io.StringIO(), highlight=False)
    with console.capture() as printed:
        console.print(table)
        console.print(below)
    return "\n".join(line.rstrip() for line in printed.get().splitlines()).strip("\n") + "\n"


def put_into_page(page: str, text: str) -> str:
    """The documentation's ``page`` with what was printed between its two marks.

    Raises ValueError if they are not there.
    """
    before, begins, rest = page.partition(BEGINS)
    _, ends, after = rest.partition(ENDS)
    if not begins or not ends:
        raise ValueError(f"the page lacks the lines {BEGINS} and {ENDS}")
    return f"{before}{BEGINS}\n```text\n{text}```\n{ENDS}{after}"
