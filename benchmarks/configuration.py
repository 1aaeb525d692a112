"""Configuration files as large operators have them, made to measure what reading them takes.

Equal arguments give equal files. Most trunks are plain, a few percent have settings of their own:
overrides of the keepalive, a profile, a ``From`` that their carrier asks for. Each has one target,
the one that ``load.target_uri`` gives, so that the responders of the benchmarks answer for it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.load import target_uri

__all__ = ["write_configuration"]

CARRIERS = (
    "Acme Telecom",
    "Bandwidth East",
    "Deutsche Leitung",
    "Équinoxe Télécom",
    "Fjordnett",
    "Global Carrier Services",
    "Northwind Voice",
    "Pacific Interconnect",
    "Süd-Sprechverkehr",
    "Telefónica del Lago",
)
REGIONS = ("us-east", "us-west", "eu-central", "ap-south")
DIRECTIONS = ("both", "both", "outbound", "inbound")
INTERVALS = (20, 30, 45, 60)
"""Seconds, of the trunks that override it."""
OVERRIDES_EVERY = 10
PROFILE_EVERY = 40
SENDER_EVERY = 50
"""One trunk in so many has the like."""
LINES_PER_WRITE = 20_000


def write_configuration(
    file: Path, trunks: int, *, port: int, interval_seconds: float = 30.0, head: str = ""
) -> None:
    """Write a file of so many trunks at ``port``; ``head`` is TOML to put before them."""
    with file.open("w", encoding="utf-8") as stream:
        stream.write(f"{head}\n[keepalive]\ninterval_seconds = {interval_seconds:g}\n")
        lines: list[str] = []
        for index in range(trunks):
            lines += _trunk(index, port)
            if len(lines) >= LINES_PER_WRITE:
                stream.write("\n".join(lines))
                stream.write("\n")
                lines.clear()
        stream.write("\n".join(lines))
        stream.write("\n")


def _trunk(index: int, port: int) -> Iterator[str]:
    carrier = CARRIERS[index % len(CARRIERS)]
    region = REGIONS[index // len(CARRIERS) % len(REGIONS)]
    yield ""
    yield "[[trunks]]"
    yield f'id = "{region}-{index:07}"'
    yield f'name = "{carrier} {region} SBC {index}"'
    yield f'direction = "{DIRECTIONS[index % len(DIRECTIONS)]}"'
    yield f'region = "{region}"'
    yield f'carrier = "{carrier}"'
    if index % PROFILE_EVERY == 0:
        yield 'profile = "twilio"'
    yield f'targets = ["{target_uri(index, port)}"]'
    if index % OVERRIDES_EVERY == 3:
        yield "[trunks.keepalive]"
        yield f"interval_seconds = {INTERVALS[index // OVERRIDES_EVERY % len(INTERVALS)]}"
    if index % SENDER_EVERY == 7:
        yield "[trunks.advanced]"
        yield f'from_uri = "sip:ping@{region}.pbx.example.com"'


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write a configuration of many trunks.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--trunks", type=int, default=100_000)
    parser.add_argument("--port", type=int, default=5060, help="of every target")
    parser.add_argument("--interval", type=float, default=30.0, metavar="SECONDS")
    options = parser.parse_args(words)
    write_configuration(
        options.file, options.trunks, port=options.port, interval_seconds=options.interval
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
