"""Says of carriers and regions that no trunk has them, which is most likely a mistyped name.

They are no mistake: their trunks may come later. So it is advice.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from fastapi import Request

from trunkpulse.access import Limits
from trunkpulse.adapters.http.api.context import ApiContext
from trunkpulse.adapters.http.api.shelf import Wanted
from trunkpulse.adapters.http.api.trunk_index import TrunkIndex
from trunkpulse.adapters.http.api.trunk_views import SavedAdviceOut, advice_out
from trunkpulse.config.advice import Advice
from trunkpulse.config.wording import shown

__all__ = ["on_labels"]

MOST_LOOKED_FOR = 20
"""Of each kind: each may take a look at all trunks."""


async def on_labels(
    request: Request,
    where: str,
    *,
    carriers: Iterable[str],
    regions: Iterable[str],
    limits: Limits | None = None,
) -> list[SavedAdviceOut]:
    """A warning for each name that no trunk within ``limits`` has.

    None while the service does not run, and only who may come in is at hand.
    """
    context = getattr(request.app.state, "context", None)
    if not isinstance(context, ApiContext):
        return []
    index = request.app.state.trunk_index
    assert isinstance(index, TrunkIndex)
    wanted = [("carrier", name, Wanted(carrier=name, limits=limits)) for name in _some(carriers)]
    wanted += [("region", name, Wanted(region=name, limits=limits)) for name in _some(regions)]
    found: list[Advice] = []
    for kind, name, each in wanted:
        trunks, _ = await index.page(each, after=None, limit=1, turns=context.turns)
        if not trunks:
            found.append(
                Advice(
                    "label_unknown",
                    "warning",
                    where,
                    f"no trunk has the {kind} {shown(name)} now",
                    "if that is not a name of trunks to come, correct it",
                )
            )
    return advice_out(context, found)


def _some(names: Iterable[str]) -> Iterable[str]:
    return islice(sorted(set(names)), MOST_LOOKED_FOR)
