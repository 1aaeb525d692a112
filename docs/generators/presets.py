"""The profiles that come with trunkpulse, read from their files."""

from __future__ import annotations

from generators.markdown import table
from trunkpulse.config.profiles import built_in
from trunkpulse.config.schema import Section
from trunkpulse.config.values import BUILT_IN_PROFILES

__all__ = ["profiles"]


def profiles() -> str:
    """Every profile with what it sets, limits and requires."""
    return table(
        ("profile", "what it is for", "sets", "limits", "requires"),
        (
            (
                f"`{each.name}`",
                each.description,
                _said(each.keepalive, each.advanced),
                _said(each.limits),
                _said(each.requires),
            )
            for each in map(built_in, BUILT_IN_PROFILES)
        ),
    )


def _said(*sections: Section) -> str:
    """What the file says, key by key."""
    return ", ".join(
        f"`{key} = {_written(value)}`"
        for section in sections
        for key, value in section.model_dump(mode="json", exclude_unset=True).items()
    )


def _written(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case list():
            return f"[{', '.join(map(_written, value))}]"
        case float():
            return f"{value:g}"
        case _:
            return str(value)
