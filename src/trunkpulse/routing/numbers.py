"""Telephone numbers: what was dialled as E.164, and which of many ranges it falls into.

``normalise`` is lenient on purpose. It asks that a number *could* be E.164 (ITU-T E.164: at most
15 digits, no leading zero), never that a numbering plan lists it: plans lag behind what carriers
route, and a router that knows better than its carrier loses calls.

``dialled_number`` also leaves a short number as it is dialled, if a route serves it.

``beginnings`` is for those who dial digit by digit (overlap dialling, RFC 3261 21.4.22): what has
been dialled so far may be the beginning of a number, or is one that is whole and simply not served.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

import phonenumbers

from trunkpulse.model.short_numbers import calling_code_of, is_short_number_of

__all__ = ["BadNumber", "beginnings", "dialled_number", "normalise"]

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_SCHEME: Final = re.compile(r"(?:sips?|tel):", re.IGNORECASE)
_VISUAL_SEPARATORS: Final = str.maketrans("", "", "-.() ")
"""RFC 3966 5.1.1, and the space that people type."""
_PHONE_CONTEXT: Final = re.compile(r";phone-context=(\+[0-9][0-9.()-]*)", re.IGNORECASE)
_LOCAL: Final = re.compile(r"[0-9]+")
_BEGINNING: Final = re.compile(r"\+(?:[1-9][0-9]{0,13})?")
"""Of an E.164 number that takes more digits yet."""
_TRUNK_PREFIX: Final = "(0)"
"""As people write it after the code of the country, though from abroad it is not dialled."""
_MOST_DIALLED: Final = 20
"""Digits of a number with what is dialled before it."""


class BadNumber(ValueError):
    """What was dialled has no E.164 form; the message says what to give instead. Not retryable."""


def dialled_number(text: str, country: str | None, is_short: Callable[[str], bool]) -> str:
    """What to look up for a call to ``text``: a number or a URI as ``normalise`` takes it.

    A number of which ``is_short`` says so, such as 112, stays exactly as it is dialled, whatever
    the country; every other becomes E.164. Raises BadNumber.
    """
    digits = _user(text).partition(";")[0]
    return digits if is_short(digits) else normalise(text, country)


def beginnings(text: str, country: str | None) -> tuple[str, ...]:
    """What numbers begin with that more digits after ``text`` can make; empty: there are none.

    They are E.164 with its plus, or short numbers as they are dialled. ``text`` is a number or a
    URI as ``normalise`` takes it; what is a short number of ``country`` is whole.
    """
    number, parameters = _subscriber(text)
    if _BEGINNING.fullmatch(number):
        return (number,)
    if not _LOCAL.fullmatch(number) or len(number) > _MOST_DIALLED:
        return ()
    if context := _PHONE_CONTEXT.search(parameters):
        prefix = context[1].translate(_VISUAL_SEPARATORS)
        code = calling_code_of(prefix[1:])
        there = code and phonenumbers.region_code_for_country_code(int(code))
        return () if there and is_short_number_of(number, there) else (prefix + number,)
    if country is None:
        return (number,)
    country = country.upper()
    if is_short_number_of(number, country) or _is_too_long(number, country):
        return ()
    return number, _from_abroad(number, country)


def _is_too_long(number: str, country: str) -> bool:
    """Whether ``number``, as dialled in ``country``, has more digits than its plan has places."""
    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException as error:
        return error.error_type == phonenumbers.NumberParseException.TOO_LONG
    reason = phonenumbers.is_possible_number_with_reason(parsed)
    return reason == phonenumbers.ValidationResult.TOO_LONG


def _from_abroad(number: str, country: str) -> str:
    """The first digits of a number as dialled in ``country``, in E.164."""
    plan = phonenumbers.PhoneMetadata.metadata_for_region(country)
    abroad = "00" if plan is None else f"(?:00|{plan.international_prefix})"
    if found := re.match(abroad, number):
        return f"+{number[found.end() :]}"
    trunk_prefix = (plan and plan.national_prefix) or ""
    code = phonenumbers.country_code_for_region(country)
    return f"+{code}{number.removeprefix(trunk_prefix)}"


def normalise(dialled: str, country: str | None = None) -> str:
    """``dialled`` as E.164: a plus and 7 to 15 digits.

    Takes a number as people or PBXs write it, a SIP URI (its user part) or a tel URI (RFC 3966).
    A number without a plus is read as dialled in ``country`` (ISO 3166, such as "US"), or in the
    ``phone-context`` of the URI if that is a global prefix. Raises BadNumber.
    """
    if _E164.fullmatch(dialled):
        return dialled
    number, parameters = _subscriber(dialled)
    if number.startswith("+"):
        written = _user(dialled).partition(";")[0]  # a URI may have escaped the brackets
        if _TRUNK_PREFIX in written:
            return _national(written, number, dialled, None)
        if _E164.fullmatch(number):
            return number
        raise BadNumber(
            f"{_shown(dialled)} is not a telephone number; "
            "give a plus and 7 to 15 digits, such as +15551230001."
        )
    if not _LOCAL.fullmatch(number):
        raise BadNumber(
            f"{_shown(dialled)} is not a telephone number; "
            "give it in E.164, such as +15551230001, or as a sip: or tel: URI of one."
        )
    if context := _PHONE_CONTEXT.search(parameters):
        return _national(f"tel:{number};phone-context={context[1]}", number, dialled, None)
    if country is None:
        raise BadNumber(
            f"{_shown(dialled)} does not say which country it is in; "
            "give it in E.164, such as +15551230001, or name its country (a short number such as "
            "112 goes only where a route has it among its numbers)."
        )
    return _national(number, number, dialled, country.upper())


def _subscriber(dialled: str) -> tuple[str, str]:
    """The digits as dialled, without what only pleases the eye, and the parameters after them."""
    number, semicolon, parameters = _user(dialled).partition(";")
    return number.translate(_VISUAL_SEPARATORS), semicolon + parameters


def _user(dialled: str) -> str:
    """The number and its parameters; nothing for a SIP URI that has no user part."""
    text = dialled.strip()
    if scheme := _SCHEME.match(text):
        text = text[scheme.end() :]
        if scheme[0].lower() != "tel:" and "@" not in text:
            return ""  # an address, however many digits
    # The user part ends at the "@" or a password; its parameters precede it (RFC 3261 19.1.6).
    return unquote(text.partition("@")[0].partition(":")[0])


def _national(text: str, number: str, dialled: str, country: str | None) -> str:
    """``text`` in E.164 as the numbering plan of ``country`` (or its own context) reads it."""
    try:
        parsed = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException as error:
        if error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE:
            raise BadNumber(
                f"{_shown(dialled)} cannot be read with the default country "
                f"{_shown(country or '')}; give a two-letter code such as US."
            ) from error
        raise _without_e164_form(dialled) from error
    if phonenumbers.is_possible_number(parsed):
        e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
        if _E164.fullmatch(e164):
            return e164
    # Many PBXs send 00 for "international" whatever the country's own prefix (011 in the US).
    if number.startswith("00") and _E164.fullmatch(f"+{number[2:]}"):
        return f"+{number[2:]}"
    raise _without_e164_form(dialled)


def _without_e164_form(dialled: str) -> BadNumber:
    return BadNumber(
        f"{_shown(dialled)} has no E.164 form (emergency and short numbers have none); "
        "give the full number, such as +15551230001, or have a route name it among its numbers."
    )


def _shown(text: str) -> str:
    """``text`` in quotes, cut to a length that a message can bear."""
    return f'"{text}"' if len(text) <= 40 else f'"{text[:40]}…"'
