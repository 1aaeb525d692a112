"""Advice on what is told which trunks are alive."""

from __future__ import annotations

from collections.abc import Iterator

from trunkpulse.config.advice.item import Advice
from trunkpulse.config.settings import Config
from trunkpulse.config.switches import LINKS, SwitchType
from trunkpulse.config.wording import shown

__all__ = ["on_switches"]


def on_switches(config: Config) -> Iterator[Advice]:
    """At most one advice for each switch that is reached over HTTP."""
    for each in config.switches:
        link = LINKS[each.type].get(each.url.scheme)
        if not each.enabled or each.type is not SwitchType.KAMAILIO or link is None:
            continue
        usual, path = link.default_path, each.url.path
        if usual and not path.lower().startswith(usual.lower()):  # as its =~ compares
            yield Advice(
                "switch_path",
                "info",
                f'switch "{each.id}"',
                f"the path of url is {shown(path)}, and Kamailio is usually set up to take calls of"
                f" jsonrpcs below {usual} alone, so it may answer none",
                f"write {usual}, unless event_route[xhttp:request] of Kamailio has it otherwise",
            )
