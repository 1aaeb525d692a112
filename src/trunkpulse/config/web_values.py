"""The texts of ``[api]`` and ``[metrics]`` that say who reaches this instance, and by what name.

As in ``values``, each function gives what one text stands for, or raises ValueError with what is
allowed, to be read after the key's name.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from trunkpulse.config.settings import IpNetwork
from trunkpulse.config.values import network
from trunkpulse.config.wording import shown

__all__ = ["host_name", "proxy_network", "scrape_token", "service_url", "web_origin"]

_HOST_NAME = re.compile(
    r"(?=.{1,253}$)(?!.*\.[0-9]+$)(?![0-9]+$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]{16,510}={0,2}")


def service_url(text: str) -> str:
    """Where others reach the API, such as ``https://trunkpulse.example.com``."""
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    else:
        usable = usable and text == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc
        usable = usable and parts.scheme in {"http", "https"}
    if not usable or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(
            "must be an address of the kind https://NAME or https://NAME:PORT, without a path or "
            "a slash at the end"
        )
    return text


def host_name(text: str) -> str:
    """A name or address that a ``Host`` header may have, in lower case and without a port."""
    if not _HOST_NAME.fullmatch(text):
        try:
            return str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]")))
        except ValueError:
            raise ValueError(
                'must be a whole name without a port such as "trunkpulse.example.com", '
                f"not {shown(text)}"
            ) from None
    return text.lower()


def web_origin(text: str) -> str:
    """An origin as browsers write it (RFC 6454 6.2): scheme, host, and a port unless usual."""
    try:
        canonical = service_url(text).lower()
    except ValueError:
        canonical = ""
    for usual in ("http://:80", "https://:443"):
        scheme, _, port = usual.partition("://")
        if canonical.startswith(f"{scheme}://"):
            canonical = canonical.removesuffix(port)
    if canonical != text:
        raise ValueError(
            'must be one origin as browsers write it, such as "https://noc.example.com" or '
            f'"http://127.0.0.1:3000", not {shown(text)}; there are no wildcards'
        )
    return text


def proxy_network(text: str) -> IpNetwork:
    """Where reverse proxies are; not everywhere, for then anybody could pass for anybody."""
    found = network(text)
    if found.prefixlen == 0:
        raise ValueError(f"must be only where reverse proxies are, not {shown(text)}")
    return found


def scrape_token(secret: str) -> str:
    """``secret`` itself if it can be a bearer token that nobody guesses; raises ValueError."""
    if not _BEARER.fullmatch(secret):
        raise ValueError(
            "points at a secret that is no token; it must be 16 to 512 letters, digits and "
            '"-._~+/="'
        )
    return secret
