"""What is told which ways out are alive: a module for each type of switch, and one line below.

Switches are addresses of the operator's own configuration file, loopback or private as a rule, and
are trusted as trunks' targets are: no guard judges where they lead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from trunkpulse.adapters.switches import asterisk, freeswitch, kamailio, opensips
from trunkpulse.config.switches import SwitchSettings, SwitchType
from trunkpulse.ports import Switch

__all__ = ["SWITCHES", "make_switch"]

SWITCHES: Mapping[SwitchType, Callable[[SwitchSettings], Switch]] = MappingProxyType(
    {
        SwitchType.KAMAILIO: kamailio.switch_of,
        SwitchType.OPENSIPS: opensips.switch_of,
        SwitchType.FREESWITCH: freeswitch.switch_of,
        SwitchType.ASTERISK: asterisk.switch_of,
    }
)
"""What makes a switch, by the ``type`` of its entry in the file."""


def make_switch(settings: SwitchSettings) -> Switch:
    """The switch that ``settings`` describe, not yet connected."""
    return SWITCHES[settings.type](settings)
