"""Advice on carriers and regions that no trunk of the file has: most likely somebody mistyped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trunkpulse.config.advice.item import Advice
from trunkpulse.config.settings import Config
from trunkpulse.config.wording import did_you_mean, shown
from trunkpulse.model import MaintenanceWindow

__all__ = ["on_window", "unknown_labels"]


def unknown_labels(
    config: Config, carriers: Sequence[str], regions: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """The key and the first unknown name in it, with what was probably meant."""
    if not config.trunks or not (carriers or regions):
        return
    known_carriers = {trunk.carrier for trunk in config.trunks if trunk.carrier is not None}
    known_regions = {trunk.region or config.instance.region for trunk in config.trunks}
    for key, wanted, known in (
        ("carriers", carriers, known_carriers),
        ("regions", regions, known_regions),
    ):
        unknown = next((name for name in wanted if name not in known), None)
        if unknown is not None:
            near = did_you_mean(unknown, known)
            hint = f" (did you mean {shown(near)}?)" if near else ""
            yield key, f"{shown(unknown)}{hint}"


def on_window(window: MaintenanceWindow, config: Config) -> Iterator[Advice]:
    for key, name in unknown_labels(config, window.carriers, window.regions):
        yield Advice(
            "label_unknown",
            "warning",
            f"maintenance {shown(window.id)}",
            f"its {key} name {name}, which no trunk has, so it keeps nothing of such quiet",
            "correct the name",
        )
