"""The texts of an event stream's table that mean more than themselves.

As in ``values``: each function gives what its text stands for, or raises ValueError with what is
allowed, phrased to be read after the key's name.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from trunkpulse.config.wording import either, shown
from trunkpulse.model import EventType, Reason

__all__ = ["destination_type", "event_type", "reason_code", "webhook_url"]

_EVENT_TYPES = tuple(each.value for each in EventType)
_DESTINATION_TYPES = ("webhook",)
_LATER_DESTINATION_TYPES = frozenset(
    {"pagerduty", "servicenow", "amqp", "kafka", "nats", "redis", "apprise"}
)
_URL = re.compile(r"[\x21-\x7e]{1,2048}")


def reason_code(text: str) -> str:
    """A reason of a state change, or ``*`` for all."""
    known = ["*", *(reason.value for reason in Reason)]
    if text not in known:
        raise ValueError(f"must be {either(known)}, not {shown(text)}")
    return text


def event_type(text: str) -> str:
    """The name of an event that exists."""
    if text not in _EVENT_TYPES:
        raise ValueError(f"must be {either(_EVENT_TYPES)}, not {shown(text)}")
    return text


def destination_type(text: str) -> str:
    """The name of a destination that this version can deliver to."""
    if text in _LATER_DESTINATION_TYPES:
        raise ValueError(f'is {shown(text)}, not supported by this version yet; use "webhook"')
    if text not in _DESTINATION_TYPES:
        raise ValueError(f"must be {either(_DESTINATION_TYPES)}, not {shown(text)}")
    return text


def webhook_url(url: str) -> str:
    """An http or https URL; it may hold a token, so it is never repeated."""
    allowed = 'must be a URL such as "https://example.com/hook"'
    if not _URL.fullmatch(url):
        raise ValueError(f"{allowed}, of at most 2048 ASCII characters and no white space")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"{allowed}, with a legal host and port") from None
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"{allowed}, that begins with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"{allowed}, without a user name or password; sign with a secret instead")
    if not host or port == 0 or not _is_web_host(host):
        raise ValueError(f"{allowed}, with a legal host and port")
    if parts.fragment:
        raise ValueError(f"{allowed}, without a fragment (#…)")
    return url


def _is_web_host(host: str) -> bool:
    """False for what looks like an IPv4 address and is none (WHATWG URL 3.5)."""
    if not host.rsplit(".", 1)[-1].isdigit():
        return True
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True
