"""What is wrong with a request, in our own words instead of the validator's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["complaint", "enumerated", "field_of", "shortened"]

LONGEST_DETAIL_CHARACTERS = 500

_PHRASES = {
    "missing": "{field} is missing",
    "extra_forbidden": "{field} is not known here; /docs lists the members there are",
    "string_type": "{field} must be a string",
    "string_unicode": "{field} must be text without half a surrogate pair in it",
    "string_too_long": "{field} must have at most {max_length} characters",
    "string_pattern_mismatch": "{field} must be of the form {pattern}",
    "enum": "{field} must be {expected}",
    "int_parsing": "{field} must be a whole number",
    "bool_parsing": "{field} must be true or false",
    "greater_than_equal": "{field} must be at least {ge}",
    "less_than_equal": "{field} must be at most {le}",
}
"""By pydantic's name of the mistake, to be filled in from the mistake's own context."""


def complaint(error: Mapping[str, Any], body: object) -> str:
    """One of pydantic's errors about a request with this ``body``, as a phrase without a stop."""
    kind, field = error["type"], field_of(error["loc"])
    if kind == "json_invalid":
        # The location is a number of characters into the text that was to be JSON.
        line, column = _line_and_column(str(body), error["loc"][1])
        return f"The body is not JSON: line {line}, column {column}"
    if field == "body":
        return "The body must be a JSON object"
    if phrase := _PHRASES.get(kind):
        return phrase.format(field=field, **error.get("ctx", {}))
    return f"{field} is not valid: {error['msg']}"


def field_of(location: Sequence[int | str]) -> str:
    """``("body", "to")`` as ``body.to``; the place in broken JSON is no field."""
    if len(location) == 2 and location[0] == "body" and isinstance(location[1], int):
        return "body"
    return shortened(".".join(str(part) for part in location))


def shortened(text: str) -> str:
    """``text``, cut off where no person would read on."""
    if len(text) <= LONGEST_DETAIL_CHARACTERS:
        return text
    return text[: LONGEST_DETAIL_CHARACTERS - 1] + "…"


def enumerated(words: Sequence[str], conjunction: str) -> str:
    """``a, b and c``; nothing for no words."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {conjunction} {words[-1]}"


def _line_and_column(text: str, place: int) -> tuple[int, int]:
    """Both counted from 1."""
    return text.count("\n", 0, place) + 1, place - text.rfind("\n", 0, place)
