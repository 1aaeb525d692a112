"""Advice on caps of probes per second: whether they leave room for what the trunks ask for.

A cap below what the intervals need is kept all the same: each target is then probed as seldom as
that makes it. A cap that is enough for that but not for confirming a change of everything at once
makes an outage of a whole carrier be noticed later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from trunkpulse.config.advice.item import Advice
from trunkpulse.config.settings import Config
from trunkpulse.config.wording import did_you_mean, shown
from trunkpulse.model import Trunk

__all__ = ["on_caps"]


@dataclass(slots=True)
class _Need:
    """What the trunks under one cap ask for; a name may lead to more targets than it counts as."""

    targets: int = 0
    per_second: float = 0.0
    """While nothing is in doubt."""
    confirming_per_second: float = 0.0
    """While a change of every target is being confirmed."""
    held_back: bool = False
    """True if caps of carriers keep it below what the intervals ask for."""
    confirming_held_back: bool = False

    def add(self, trunk: Trunk) -> None:
        policy = trunk.keepalive
        least = policy.minimum_interval_seconds
        self.targets += len(trunk.targets)
        self.per_second += len(trunk.targets) / max(policy.interval_seconds, least)
        self.confirming_per_second += len(trunk.targets) / max(
            policy.confirm_interval_seconds, least
        )

    def add_capped(self, need: _Need, per_second: float) -> None:
        """Take on those of a carrier, which never get more than its cap."""
        self.targets += need.targets
        self.per_second += min(need.per_second, per_second)
        self.confirming_per_second += min(need.confirming_per_second, per_second)
        self.held_back |= need.per_second > per_second
        self.confirming_held_back |= need.confirming_per_second > per_second


def on_caps(config: Config) -> Iterator[Advice]:
    """On the total cap, and on that of each carrier."""
    pacing = config.pacing
    if pacing.probes_per_second is None and not pacing.carriers:
        return
    probed = [trunk for trunk in config.trunks if trunk.enabled and trunk.keepalive.enabled]
    total = _Need()
    needs: dict[str, _Need] = {carrier: _Need() for carrier, _ in pacing.carriers}
    for trunk in probed:
        capped = None if trunk.carrier is None else needs.get(trunk.carrier)
        (capped or total).add(trunk)
    for carrier, per_second in pacing.carriers:
        total.add_capped(needs[carrier], per_second)
    if pacing.probes_per_second is not None:
        yield from _on_cap(
            "pacing.probes_per_second", "all trunks", pacing.probes_per_second, total
        )
    carriers = {trunk.carrier for trunk in config.trunks if trunk.carrier is not None}
    for carrier, per_second in pacing.carriers:
        where = f"pacing.carriers.{shown(carrier)}"
        if carrier not in carriers:
            yield _on_nobody(where, carrier, carriers)
            continue
        yield from _on_cap(where, f"carrier {shown(carrier)}", per_second, needs[carrier])


def _on_cap(where: str, whose: str, per_second: float, need: _Need) -> Iterator[Advice]:
    if need.per_second > per_second:
        yield Advice(
            "cap_below_need",
            "warning",
            where,
            f"the {need.targets} targets of {whose} need {need.per_second:.4g} probes a second at"
            f" their intervals{' and the caps of carriers' if need.held_back else ''} and may have"
            f" {per_second:g}, so {_outcome(need, per_second)}",
            "raise the cap or lengthen interval_seconds",
        )
    elif need.confirming_per_second > per_second:
        apart = f"{need.targets / per_second:.4g} s apart"
        yield Advice(
            "cap_delays_confirmation",
            "info",
            where,
            f"if all {need.targets} targets of {whose} fail at once, confirming that needs"
            f" {need.confirming_per_second:.4g} probes a second and may have {per_second:g}, so"
            f" attempts are {'farther apart' if need.confirming_held_back else apart} and the"
            " outage is noticed later",
            "raise the cap if that is too late",
        )


def _outcome(need: _Need, per_second: float) -> str:
    if need.held_back:  # some more seldom than others
        return "they are probed more seldom than that"
    return f"each is probed every {need.targets / per_second:.4g} s"


def _on_nobody(where: str, carrier: str, carriers: Iterable[str]) -> Advice:
    near = did_you_mean(carrier, carriers)
    hint = f" (did you mean {shown(near)}?)" if near else ""
    return Advice(
        "cap_of_nobody",
        "warning",
        where,
        f"no trunk has the carrier {shown(carrier)}{hint}, so this caps nothing",
        "correct it, or give trunks that carrier",
    )
