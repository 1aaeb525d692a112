"""Whom we trust to be a switch that is reached over TLS."""

from __future__ import annotations

import ssl

from trunkpulse.adapters.switches.wording import plain, reason_of
from trunkpulse.ports import SwitchRefused

__all__ = ["trusting"]


def trusting(ca_file: str | None) -> ssl.SSLContext:
    """A context that verifies certificate and name, by these authorities alone (PEM).

    None: by those that this machine trusts. Raises SwitchRefused if the file cannot be used: it
    was checked with the configuration, and somebody has touched it since.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        raise SwitchRefused(
            f"The file {plain(str(ca_file))} of tls.ca_file cannot be used ({reason_of(error)}); "
            "put the certificates of the authorities there, in PEM."
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
