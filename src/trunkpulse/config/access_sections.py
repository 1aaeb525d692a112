"""The sections about people: how they sign in, and the provider that they may sign in by."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from trunkpulse.config.access_settings import AccessSettings, OidcSettings
from trunkpulse.config.kinds import ID, LABEL, SWITCH, FilledList, Label
from trunkpulse.config.section import Allowed, Section, secret_of, text_of

__all__ = ["AccessEntry", "OidcEntry", "access_settings", "oidc_settings"]

_ACCESS = AccessSettings()
_OIDC = OidcSettings(issuer="", client_id="")
_ROLE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_CLIENT_ID = 'a text of 1 to 256 printable ASCII characters such as "trunkpulse"'
_SCOPE = r"^[\x21\x23-\x5b\x5d-\x7e]{1,128}$"
_MOST_MAPPINGS = 1000


def issuer_url(text: str) -> str:
    """``text`` itself if a provider can be there; raises ValueError, to follow the key."""
    wrong = ValueError(
        'must be the provider\'s issuer such as "https://login.example.com/realms/noc", as '
        "the provider itself writes it"
    )
    try:
        parts = urlsplit(text)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        raise wrong from None
    legal = text.isascii() and text.isprintable() and " " not in text and len(text) <= 1024
    if not legal or not host or parts.username or parts.query or parts.fragment:
        raise wrong
    if parts.scheme == "http" and not _is_loopback(host):
        raise ValueError("must begin with https://, because people are let in on its word")
    if parts.scheme not in {"http", "https"}:
        raise wrong
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _secret(secret: str) -> str:
    if not secret.isprintable() or len(secret) > 1024:
        raise ValueError("points at a secret that is none; it must be one line of printable text")
    return secret


def _roles(raw: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(raw, dict):
        raise PydanticCustomError("dict_type", "not a table")
    found: dict[str, tuple[str, ...]] = {}
    for value, roles in raw.items():
        given = [roles] if isinstance(roles, str) else roles
        if not isinstance(given, list) or not all(
            isinstance(each, str) and _ROLE_ID.fullmatch(each) for each in given
        ):
            raise PydanticCustomError("dict_type", "not a table")
        found[str(value)] = tuple(given)
    if len(found) > _MOST_MAPPINGS:
        raise ValueError(f"must have at most {_MOST_MAPPINGS} entries")
    return found


class AccessEntry(Section):
    first_administrator: Annotated[
        str,
        Field(pattern=r"^[^\p{C}\p{Z}-][^\p{C}\p{Z}]{0,127}$"),
        Allowed('one word of 1 to 128 printable characters such as "alice"'),
    ] = _ACCESS.first_administrator
    initial_password: Annotated[
        str | None,
        secret_of(_secret),
        Field(repr=False),
        Allowed('"env:NAME" or "file:PATH"', secret=True),
    ] = None
    session_idle_seconds: Annotated[
        float, Field(ge=60, le=86_400), Allowed("a number of seconds from 60 to 86400")
    ] = _ACCESS.session_idle_seconds
    session_seconds: Annotated[
        float, Field(ge=300, le=604_800), Allowed("a number of seconds from 300 to 604800")
    ] = _ACCESS.session_seconds
    sessions_per_user: Annotated[
        int, Field(ge=1, le=100), Allowed("a whole number from 1 to 100")
    ] = _ACCESS.sessions_per_user
    one_time_password_seconds: Annotated[
        float, Field(ge=300, le=2_592_000), Allowed("a number of seconds from 300 to 2592000")
    ] = _ACCESS.one_time_password_seconds


class OidcEntry(Section):
    issuer: Annotated[
        str, text_of(issuer_url), Allowed('a text such as "https://login.example.com/realms/noc"')
    ]
    client_id: Annotated[str, Field(pattern=r"^[\x20-\x7e]{1,256}$"), Allowed(_CLIENT_ID)]
    client_secret: Annotated[
        str | None,
        secret_of(_secret),
        Field(repr=False),
        Allowed('"env:NAME" or "file:PATH"', secret=True),
    ] = None
    display_name: Annotated[Label, Allowed(LABEL)] = _OIDC.display_name
    scopes: Annotated[
        tuple[Annotated[str, Field(pattern=_SCOPE)], ...],
        FilledList,
        Allowed("a list of scopes", each='a text such as "openid"'),
    ] = _OIDC.scopes
    roles_claim: Annotated[Label, Allowed(LABEL)] = _OIDC.roles_claim
    roles: Annotated[
        dict[str, tuple[str, ...]],
        PlainValidator(_roles),
        Allowed(
            f'a table such as {{ "noc-engineers" = ["engineer"] }}, each role {ID}',
        ),
    ] = Field(default_factory=dict)
    allow_signup: Annotated[bool, Allowed(SWITCH)] = _OIDC.allow_signup


def access_settings(entry: AccessEntry) -> AccessSettings:
    """What ``[access]`` says."""
    return AccessSettings(
        first_administrator=entry.first_administrator,
        initial_password=entry.initial_password,
        session_idle_seconds=entry.session_idle_seconds,
        session_seconds=entry.session_seconds,
        sessions_per_user=entry.sessions_per_user,
        one_time_password_seconds=entry.one_time_password_seconds,
    )


def oidc_settings(entry: OidcEntry | None) -> OidcSettings | None:
    """What ``[oidc]`` says; None if it is not there."""
    if entry is None:
        return None
    return OidcSettings(
        issuer=entry.issuer,
        client_id=entry.client_id,
        client_secret=entry.client_secret,
        display_name=entry.display_name,
        scopes=entry.scopes,
        roles_claim=entry.roles_claim,
        roles=entry.roles,
        allow_signup=entry.allow_signup,
    )
