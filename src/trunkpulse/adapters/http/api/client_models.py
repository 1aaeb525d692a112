"""Clients as the API shows and takes them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from trunkpulse.access import Limits, Permission, permission_of_scope
from trunkpulse.adapters.http.api.models import Moment, Out
from trunkpulse.admission.clients import Client, ClientDraft
from trunkpulse.config.wording import shown

__all__ = [
    "ClientIn",
    "ClientOut",
    "ClientPatch",
    "ClientSecretOut",
    "MadeClientOut",
    "MadeSecretOut",
    "NewSecretIn",
    "client_out",
    "draft_of",
    "patched",
]


def _known_scope(scope: str) -> str:
    if permission_of_scope(scope) is None:
        raise PydanticCustomError(
            "scope",
            "{given} is none of {scopes}",
            {"given": shown(scope), "scopes": ", ".join(p.scope for p in Permission)},
        )
    return scope


Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        pattern=r"^\P{C}*[^\p{C}\s]\P{C}*$",
        description="For people; no two clients have the same.",
    ),
]
Scopes = Annotated[
    list[Annotated[str, Field(max_length=64), AfterValidator(_known_scope)]],
    Field(min_length=1, max_length=len(Permission), description="What it may ask tokens for."),
]
Labels = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=200)]] | None,
    Field(min_length=1, max_length=1000, description="Those that it is limited to; null: all."),
]
Expiry = Annotated[
    int | None,
    Field(
        ge=0,
        le=2**53,
        description="From then on it is not let in, in milliseconds since the epoch; null: never.",
    ),
]


class _In(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


class ClientIn(_In):
    """A client to be made."""

    name: Name
    scopes: Scopes
    regions: Labels = None
    carriers: Labels = None
    enabled: bool = True
    expires: Expiry = None


class ClientPatch(_In):
    """A JSON Merge Patch (RFC 7396): what it does not name stays."""

    name: Name = ""
    scopes: Scopes = []
    regions: Labels = None
    carriers: Labels = None
    enabled: bool = True
    expires: Expiry = None


class NewSecretIn(_In):
    """What becomes of the secret that the client has."""

    others_expire: Expiry = Field(
        default=None,
        description="From then on the secret that it has is no good; null: until it is deleted.",
    )


class ClientSecretOut(Out):
    """A secret, which itself is never shown again."""

    id: str
    created: int = Moment
    expires: int | None = Field(description="From then on it is no good; null: never.")


class ClientOut(Out):
    """A machine that may get tokens."""

    id: str = Field(description="Its client_id.")
    name: str
    scopes: list[str]
    regions: list[str] | None = Field(description="Those that it is limited to; null: all.")
    carriers: list[str] | None = Field(description="Those that it is limited to; null: all.")
    enabled: bool
    expires: int | None = Field(description="From then on it is not let in; null: never.")
    active: bool = Field(description="It is let in now.")
    secrets: list[ClientSecretOut]
    created: int = Moment
    changed: int = Moment


class MadeClientOut(ClientOut):
    """A client with its first secret, which is shown this once."""

    client_id: str
    client_secret: str = Field(description="Shown this once.")


class MadeSecretOut(ClientSecretOut):
    """A new secret of a client, shown this once."""

    client_id: str
    client_secret: str = Field(description="Shown this once.")


def client_out(client: Client, now_ms: int) -> ClientOut:
    """``client`` as it is shown."""
    return ClientOut(
        id=client.id,
        name=client.name,
        scopes=sorted(each.scope for each in client.permissions),
        regions=_sorted(client.limits.regions),
        carriers=_sorted(client.limits.carriers),
        enabled=client.enabled,
        expires=client.expires_ms,
        active=client.active(now_ms),
        secrets=[
            ClientSecretOut(id=each.id, created=each.created_ms, expires=each.expires_ms)
            for each in client.secrets
            if each.good(now_ms)
        ],
        created=client.created_ms,
        changed=client.changed_ms,
    )


def draft_of(given: ClientIn) -> ClientDraft:
    """What is said of a client to be made."""
    return ClientDraft(
        name=given.name,
        permissions=_permissions(given.scopes),
        limits=Limits(regions=_set(given.regions), carriers=_set(given.carriers)),
        enabled=given.enabled,
        expires_ms=given.expires,
    )


def patched(client: ClientDraft, given: ClientPatch) -> ClientDraft:
    """What is said of ``client`` from now on."""
    named = given.model_fields_set
    return ClientDraft(
        name=given.name if "name" in named else client.name,
        permissions=_permissions(given.scopes) if "scopes" in named else client.permissions,
        limits=Limits(
            regions=_set(given.regions) if "regions" in named else client.limits.regions,
            carriers=_set(given.carriers) if "carriers" in named else client.limits.carriers,
        ),
        enabled=given.enabled if "enabled" in named else client.enabled,
        expires_ms=given.expires if "expires" in named else client.expires_ms,
    )


def _permissions(scopes: list[str]) -> frozenset[Permission]:
    found = (permission_of_scope(scope) for scope in scopes)
    return frozenset(each for each in found if each is not None)


def _sorted(values: frozenset[str] | None) -> list[str] | None:
    return None if values is None else sorted(values)


def _set(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)
