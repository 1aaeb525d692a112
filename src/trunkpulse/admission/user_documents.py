"""Users as they are kept."""

from __future__ import annotations

from collections.abc import Mapping

from trunkpulse.access import Limits
from trunkpulse.access.user import User
from trunkpulse.ports import Document, DocumentKind

__all__ = ["document_of", "user_from"]


def document_of(user: User) -> Document:
    """What is kept of ``user``."""
    regions, carriers = user.limits.regions, user.limits.carriers
    return Document(
        kind=DocumentKind.USER,
        id=user.id,
        definition={
            "name": user.name,
            "display_name": user.display_name,
            "email": user.email,
            "roles": list(user.roles),
            "regions": None if regions is None else sorted(regions),
            "carriers": None if carriers is None else sorted(carriers),
            "enabled": user.enabled,
            # A hash that takes long to guess at is not sealed on top: nothing opens it.
            "password_hash": user.password_hash,
            "must_change_password": user.must_change_password,
            "password_changed_ms": user.password_changed_ms,
            "password_ends_ms": user.password_ends_ms,
            "subject": None if user.subject is None else list(user.subject),
            "roles_by_provider": user.roles_by_provider,
            "networks": list(user.networks),
        },
        revision=user.revision,
        created_ms=user.created_ms,
        changed_ms=user.changed_ms,
    )


def user_from(document: Document) -> User:
    """The user that was kept as ``document``."""
    given = document.definition
    subject = _texts(given, "subject")
    return User(
        id=document.id,
        name=str(given["name"]),
        display_name=_text(given, "display_name"),
        email=_text(given, "email"),
        roles=_texts(given, "roles") or (),
        limits=Limits(regions=_set(given, "regions"), carriers=_set(given, "carriers")),
        enabled=given["enabled"] is True,
        password_hash=_text(given, "password_hash"),
        must_change_password=given["must_change_password"] is True,
        password_changed_ms=_moment(given, "password_changed_ms"),
        password_ends_ms=_moment(given, "password_ends_ms"),
        subject=None if subject is None else (subject[0], subject[1]),
        roles_by_provider=given["roles_by_provider"] is True,
        networks=_texts(given, "networks") or (),
        revision=document.revision,
        created_ms=document.created_ms,
        changed_ms=document.changed_ms,
    )


def _text(given: Mapping[str, object], key: str) -> str | None:
    value = given[key]
    return None if value is None else str(value)


def _moment(given: Mapping[str, object], key: str) -> int | None:
    value = given.get(key)
    assert value is None or isinstance(value, int)
    return value


def _texts(given: Mapping[str, object], key: str) -> tuple[str, ...] | None:
    value = given.get(key)
    return tuple(map(str, value)) if isinstance(value, list) else None


def _set(given: Mapping[str, object], key: str) -> frozenset[str] | None:
    texts = _texts(given, key)
    return None if texts is None else frozenset(texts)
