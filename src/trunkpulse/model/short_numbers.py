"""Which digits are a short number of a country, such as 911 of the US, and which a country's code.

What is known of them comes with ``phonenumbers``: the short numbers that a country lists, those of
emergency services among them.
"""

from __future__ import annotations

import phonenumbers

__all__ = ["calling_code_of", "is_short_number_of"]

_LONGEST_CALLING_CODE = 3


def is_short_number_of(digits: str, country: str) -> bool:
    """True if ``country`` (ISO 3166, in capitals) has exactly these ASCII digits as one."""
    number = phonenumbers.PhoneNumber(
        country_code=phonenumbers.country_code_for_region(country),
        national_number=int(digits),
        italian_leading_zero=digits.startswith("0"),
        number_of_leading_zeros=len(digits) - len(digits.lstrip("0")),
    )
    return phonenumbers.is_valid_short_number_for_region(number, country)


def calling_code_of(digits: str) -> str | None:
    """The country code (ITU-T E.164) that ``digits`` begin with; None: no country has such a one.

    No code is the beginning of another, so there is one at most.
    """
    for length in range(1, _LONGEST_CALLING_CODE + 1):
        code = digits[:length]
        if int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE and not code.startswith("0"):
            return code
    return None
