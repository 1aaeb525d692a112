"""Which passwords are taken: long ones that nobody tries first.

Length is what counts (NIST SP 800-63B 3.1.1): no character has to be of any kind, and a password
does not expire. Refused is what a guesser tries early: one of the words that people take with
digits around it, a run along the keyboard, a short piece over and over, or one's own name.

What others have taken is known from zxcvbn: the 30,000 passwords most frequent among those that
have leaked, and the words and names of everyday English. It estimates how many guesses it takes
who tries those first, with the usual digits, signs and capitals, one by one and put together.

A password is compared in one form (RFC 8265 4.2): the same text typed on another keyboard may
come as other characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

__all__ = [
    "LONGEST_PASSWORD_CHARACTERS",
    "SHORTEST_PASSWORD_CHARACTERS",
    "objection_to",
    "prepared",
]

SHORTEST_PASSWORD_CHARACTERS: Final = 12
LONGEST_PASSWORD_CHARACTERS: Final = 1024

_SHORTEST_NAME: Final = 4
"""A shorter name is within many a word."""
_BESIDE_A_NAME: Final = 8
"""So much of a password has to be one's own beside a name or a common word."""
_FEWEST_DIFFERENT: Final = 5
_FEWEST_GUESSES: Final = 10**8
"""With fewer it falls to who guesses slowly, too (zxcvbn's scores 0 to 2)."""
_LONGEST_ESTIMATED: Final = 32
"""What is longer is in no list, and could be made to take seconds to look at; this, a quarter."""
_LOOKALIKES: Final = str.maketrans("0134578@$!", "oleastbasi")
_ENDS: Final = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_NO_LETTERS: Final = re.compile(r"[\W\d_]+")
_RUNS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "q1w2e3r4t5y6u7i8o9p0",
)
_COMMON: Final = (
    "trunkpulse", "password", "passwort", "passwd", "administrator", "administration", "welcome",
    "qwerty", "qwertz", "azerty", "letmein", "iloveyou", "football", "baseball", "basketball",
    "superman", "batman", "pokemon", "starwars", "princess", "sunshine", "monkey", "dragon",
    "shadow", "master", "changeme", "default", "secret", "testing", "computer", "internet",
    "whatever", "trustno", "freedom", "liverpool", "chelsea", "arsenal", "charlie", "michael",
    "jennifer", "jordan", "summer", "winter", "spring", "autumn", "telephone", "telephony",
    "asterisk",
    "freeswitch", "kamailio", "genesys", "cisco", "avaya", "voice", "trunk", "siptrunk", "carrier",
    "admin", "root", "user", "login", "access", "hello", "please", "temporary", "initial", "first",
    "company", "office", "monday", "january", "newyork", "london", "berlin",
    "correcthorsebatterystaple",
)  # fmt: skip


def prepared(password: str) -> str:
    """``password`` in the form in which it is hashed (OpaqueString)."""
    text = "".join(" " if unicodedata.category(each) == "Zs" else each for each in password)
    return unicodedata.normalize("NFC", text)


def objection_to(password: str, names: Iterable[str]) -> str | None:
    """Why ``password`` is not taken, to follow "The password"; None if it is.

    It may take a quarter of a second to find out, so an event loop asks for it in a thread.
    ``names`` are those of its owner: to sign in by, to be shown, and the address.
    """
    text = prepared(password)
    if len(text) < SHORTEST_PASSWORD_CHARACTERS:
        return f"must have at least {SHORTEST_PASSWORD_CHARACTERS} characters; some words do"
    if len(text) > LONGEST_PASSWORD_CHARACTERS:
        return f"must have at most {LONGEST_PASSWORD_CHARACTERS} characters"
    if any(unicodedata.category(each) in ("Cc", "Cs") for each in text):
        return "must not have control characters in it"
    return _too_easy(text, names)


def _too_easy(text: str, names: Iterable[str]) -> str | None:
    plain = text.casefold()
    if _own_part(plain, names) < _BESIDE_A_NAME:
        return "is hardly more than your own name; take another"
    if len(set(plain)) < _FEWEST_DIFFERENT or _is_repeated(plain):
        return "is the same few characters over and over; take another"
    if _is_run(plain) or _is_common(plain) or _falls_early(text):
        return "is one of those that are tried first; take another"
    return None


def _own_part(plain: str, names: Iterable[str]) -> int:
    """How much is left beside the names."""
    parts = {
        part for name in names for part in (name.casefold(), *re.split(r"\W+", name.casefold()))
    }
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SHORTEST_NAME:
            plain = plain.replace(part, "")
    return len(plain)


def _is_repeated(plain: str) -> bool:
    """A piece that is no password itself, again and again."""
    place = (plain + plain).find(plain, 1)
    return place < min(len(plain), SHORTEST_PASSWORD_CHARACTERS - 4)


def _is_run(plain: str) -> bool:
    """Along the keyboard or the alphabet, forwards or backwards."""
    half = len(plain) // 2
    ways = [way for run in _RUNS for way in (run * 2, run[::-1] * 2)]
    return any(plain[:half] in way and plain[half:] in way for way in ways)


def _falls_early(text: str) -> bool:
    """To who goes through leaked passwords and common words."""
    if len(text) > _LONGEST_ESTIMATED:
        return False
    from zxcvbn import zxcvbn  # noqa: PLC0415 - 14 MB of lists, for who sets a password

    return zxcvbn(text)["guesses"] < _FEWEST_GUESSES


def _is_common(plain: str) -> bool:
    """Common words, and little else but digits and signs."""
    core = _ENDS.sub("", plain)
    for text in (plain, core.translate(_LOOKALIKES)):
        letters = _NO_LETTERS.sub("", text)
        rest = letters
        for word in _COMMON_LONGEST_FIRST:
            rest = rest.replace(word, "")
        if letters and rest != letters and len(rest) < 3:
            return True
    return False


_COMMON_LONGEST_FIRST: Final = sorted(_COMMON, key=len, reverse=True)
