"""Advice on numbers of routes that may have lost their plus."""

from __future__ import annotations

from collections.abc import Iterator

from trunkpulse.config.advice.item import SHOWN_NAMES, Advice
from trunkpulse.model import Route, ShortNumber
from trunkpulse.model.short_numbers import calling_code_of, is_short_number_of

__all__ = ["on_short_numbers"]

_USUAL_DIGITS = 3
"""Of a short number that every telephone of a country may dial; longer ones are seldom."""


def on_short_numbers(route: Route, country: str | None) -> Iterator[Advice]:
    """Short numbers that may be meant as prefixes; those of ``country`` (ISO 3166) are not."""
    doubtful = [
        rule.digits
        for rule in route.numbers
        if isinstance(rule, ShortNumber) and _may_be_a_prefix(rule.digits, country)
    ]
    if not doubtful:
        return
    names = ", ".join(f'"{digits}"' for digits in doubtful[:SHOWN_NAMES])
    more = len(doubtful) - SHOWN_NAMES
    is_one = len(doubtful) == 1
    yield Advice(
        "route_short_number",
        "warning",
        f'route "{route.id}"',
        f"the route has {names}{f' and {more} more' if more > 0 else ''} without a plus, which"
        f" {'is a short number' if is_one else 'are short numbers'}: only who dials exactly"
        f" {'these digits' if is_one else 'one of them'} comes here, and no longer number that"
        " begins so",
        f"{_with_plus(doubtful[0], is_one=is_one)} if those are meant, or accept this advice",
    )


def _may_be_a_prefix(digits: str, country: str | None) -> bool:
    if len(digits) <= _USUAL_DIGITS and calling_code_of(digits) != digits:
        return False
    return country is None or not is_short_number_of(digits, country)


def _with_plus(digits: str, *, is_one: bool) -> str:
    if calling_code_of(digits) is not None:
        return f'write "+{digits}"' if is_one else f'write a plus in front, as in "+{digits}",'
    return "write a plus and the code of their country in front, without the 0 of national numbers,"
