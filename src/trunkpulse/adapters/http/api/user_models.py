"""Users and roles as the API shows them, and as they are given to it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from trunkpulse.access import Permission
from trunkpulse.access.roles import Role
from trunkpulse.access.user import User, name_from
from trunkpulse.adapters.http.api.models import Moment, Out
from trunkpulse.adapters.http.api.trunk_views import SavedAdviceOut
from trunkpulse.config.kinds import Id, Label

__all__ = [
    "MadePasswordOut",
    "MadeUserOut",
    "NewPasswordIn",
    "RoleIn",
    "RoleOut",
    "RolePatch",
    "UserIn",
    "UserOut",
    "UserPatch",
    "UserSavedOut",
    "role_out",
    "user_out",
]

MOST_LIMITS = 1000
_ACCESS = {"name", "email", "roles", "regions", "carriers"}


def _name(text: str) -> str:
    try:
        return name_from(text)
    except ValueError as problem:
        raise ValueError(f"it {problem}") from None


Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=256),
    AfterValidator(_name),
    Field(description="To sign in by, one word; whatever its case, it is the same."),
]
Email = Annotated[
    str,
    StringConstraints(max_length=254, pattern=r"^[^\s@\p{C}]+@[^\s@\p{C}]+$"),
    Field(description="By this address a provider's user is found."),
]
Password = Annotated[str, Field(max_length=1024, json_schema_extra={"format": "password"})]
OwnPassword = Annotated[
    str | None,
    Field(
        max_length=1024,
        repr=False,
        json_schema_extra={"format": "password"},
        description="Your own, of whoever sends this in a session and has one.",
    ),
]
Roles = Annotated[list[Id], Field(max_length=20, description="Ids of roles.")]
Names = Annotated[list[Label], Field(max_length=MOST_LIMITS)]


class _In(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", hide_input_in_errors=True)


class UserIn(_In):
    """A new user. Without a password they get one to be used once, which the answer says."""

    name: Name
    display_name: Label | None = None
    email: Email | None = None
    roles: Roles = Field(default_factory=list)
    regions: Names | None = Field(default=None, description="Of trunks; null: all.")
    carriers: Names | None = Field(default=None, description="Of trunks; null: all.")
    enabled: bool = True
    password: Password | None = Field(default=None, repr=False)
    must_change_password: bool = Field(default=True, description="When they first come.")
    provider_only: bool = Field(
        default=False, description="They have no password and sign in by the OIDC provider."
    )


class UserPatch(_In):
    """A JSON Merge Patch (RFC 7396) of a user: what it does not name stays."""

    name: Name | None = None
    display_name: Label | None = None
    email: Email | None = None
    roles: Roles | None = None
    regions: Names | None = None
    carriers: Names | None = None
    enabled: bool | None = None
    must_change_password: bool | None = None
    current_password: OwnPassword = None

    @property
    def changes_access(self) -> bool:
        """True if it changes by what somebody gets in, or what they may do then."""
        return not self.model_fields_set.isdisjoint(_ACCESS)


class NewPasswordIn(_In):
    """A password for somebody else, who has to change it; without one it is made."""

    password: Password | None = Field(default=None, repr=False)
    current_password: OwnPassword = None


class UserOut(Out):
    """A person who may be let in."""

    id: str
    name: str
    display_name: str | None
    email: str | None
    roles: list[str]
    permissions: list[Permission] = Field(description="What the roles allow together.")
    regions: list[str] | None = Field(description="Of trunks that they see; null: all.")
    carriers: list[str] | None = Field(description="Of trunks that they see; null: all.")
    enabled: bool
    has_password: bool
    must_change_password: bool
    password_ends: int | None = Field(
        description="Until then they can sign in with the one-time password that they were "
        "given; null: they have their own, or none."
    )
    provider: str | None = Field(description="The issuer that knows them; null: none.")
    roles_by_provider: bool = Field(description="Their roles follow the provider's claims.")
    created: int = Moment
    changed: int = Moment


class MadeUserOut(UserOut):
    """A user, and the password that was made; it is said this once."""

    one_time_password: str | None
    advice: list[SavedAdviceOut]


class UserSavedOut(UserOut):
    """A user as they are from now on."""

    advice: list[SavedAdviceOut]


class MadePasswordOut(Out):
    """The password that was made; it is said this once."""

    one_time_password: str | None


class RoleIn(_In):
    """A role of one's own."""

    id: Id
    name: Label | None = None
    description: Annotated[str, Field(max_length=500, pattern=r"^\P{C}*$")] = ""
    permissions: Annotated[list[Permission], Field(max_length=len(Permission))]


class RolePatch(_In):
    """A JSON Merge Patch (RFC 7396) of a role."""

    name: Label | None = None
    description: Annotated[str, Field(max_length=500, pattern=r"^\P{C}*$")] | None = None
    permissions: Annotated[list[Permission], Field(max_length=len(Permission))] | None = None


class RoleOut(Out):
    """A name for some permissions."""

    id: str
    name: str
    description: str
    permissions: list[Permission]
    built_in: bool = Field(description="It comes with trunkpulse and cannot be changed.")
    created: int | None = Moment
    changed: int | None = Moment


def user_out(user: User, permissions: frozenset[Permission]) -> UserOut:
    """What is shown of a user: nothing that proves who they are."""
    regions, carriers = user.limits.regions, user.limits.carriers
    return UserOut(
        id=user.id,
        name=user.name,
        display_name=user.display_name,
        email=user.email,
        roles=list(user.roles),
        permissions=sorted(permissions),
        regions=None if regions is None else sorted(regions),
        carriers=None if carriers is None else sorted(carriers),
        enabled=user.enabled,
        has_password=user.password_hash is not None,
        must_change_password=user.must_change_password,
        password_ends=user.password_ends_ms,
        provider=None if user.subject is None else user.subject[0],
        roles_by_provider=user.roles_by_provider,
        created=user.created_ms,
        changed=user.changed_ms,
    )


def role_out(role: Role) -> RoleOut:
    """What is shown of a role."""
    return RoleOut(
        id=role.id,
        name=role.name,
        description=role.description,
        permissions=sorted(role.permissions),
        built_in=role.built_in,
        created=role.created_ms,
        changed=role.changed_ms,
    )
