"""Guesses at a password or a secret, and how long somebody has to wait for the next one.

Three counts stand against guessing, and none of them may become a way to lock somebody else out:

* of an **account from one address**: a few mistakes are free, then each further one doubles the
  time until the next guess, up to ``longest_wait_seconds``. Whoever really owns the account is
  elsewhere and does not notice.
* of an **address**, over all accounts: a bucket of guesses that fills up slowly. It is against
  trying one password on many accounts.
* of an **account from strangers**, all together who neither come from a network where its owner
  has signed in nor have a browser in which the owner has (``devices``): a larger bucket. It is
  against guessing from many addresses at once, and the owner, who is no stranger, is not slowed
  down by it. Each such browser has a bucket of its own, for a mark can be stolen.

A guess is counted when it is let through, before anybody knows how it ends, so a thousand at the
same moment are not a thousand for free. If it was right, the count is given back. A guess that is
refused changes nothing: it neither lengthens the wait nor takes memory.

An address is counted as a network of the size that one subscriber gets: IPv6 by its first 64
bits, for anybody has as many addresses within as they like.

Memory is bounded: beyond ``capacity`` the count that was touched longest ago is forgotten, and an
account is counted by a digest, however long the name is that somebody sends. Making the owner's or
one's own count be forgotten takes as many guesses that are let through, of which each has cost its
maker an address's allowance.

A client's secret is 256 bits by chance, so nobody guesses it, and no count may stand between a
client and its token: of wrong ones an ``Allowances`` counts the address alone.

Nothing here waits or reads a clock; ``now`` is in seconds that never go backwards.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

__all__ = ["STRANGERS", "Allowances", "Guessing", "GuessingRules", "network_of", "of_addresses"]

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")

STRANGERS: Final = ""
"""The crowd of all who are not known in any way."""
_KEY_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class GuessingRules:
    """How patient we are."""

    free_guesses: int = 5
    """At one account from one address, before waiting begins."""
    first_wait_seconds: float = 1.0
    """Doubles with each further guess."""
    longest_wait_seconds: float = 900.0
    forgotten_after_seconds: float = 24 * 3600.0
    """Without a guess, a count begins anew."""
    address_guesses: int = 30
    """Of one address at once, whatever the accounts."""
    address_refill_seconds: float = 10.0
    """Until it may guess once more."""
    stranger_guesses: int = 60
    """At one account at once, of all strangers together, and of each browser of the owner's."""
    stranger_refill_seconds: float = 20.0
    """Until they may guess once more."""
    capacity: int = 50_000
    """Of counts of each kind."""


@dataclass(slots=True)
class _Streak:
    """Guesses at one account from one address, none of them right."""

    count: int
    last: float


@dataclass(slots=True)
class _Bucket:
    """Guesses that are left, as of ``at``."""

    left: float
    at: float


class Allowances(Generic[KeyT]):
    """A bucket for each of many keys, all of one size, that fills up slowly."""

    def __init__(self, size: int, refill_seconds: float, capacity: int) -> None:
        """``refill_seconds``: until there is one more; ``capacity``: of keys."""
        self._size = size
        self._refill_seconds = refill_seconds
        self._capacity = capacity
        self._buckets: OrderedDict[KeyT, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        """How many keys are counted."""
        return len(self._buckets)

    def wait(self, key: KeyT, now: float) -> float:
        """How many seconds until one may be taken; 0: now."""
        missing = 1 - self._left(key, now)
        # A wait that is over shall be over, whatever the rounding.
        return missing * self._refill_seconds if missing > 1e-6 else 0.0

    def take(self, key: KeyT, now: float) -> None:
        """One less is left."""
        _remember(self._buckets, key, _Bucket(self._left(key, now) - 1, now), self._capacity)

    def give_back(self, key: KeyT) -> None:
        """One was taken that does not count."""
        if (bucket := self._buckets.get(key)) is not None:
            bucket.left = min(bucket.left + 1, self._size)

    def refill(self, key: KeyT) -> None:
        """All are there again."""
        self._buckets.pop(key, None)

    def _left(self, key: KeyT, now: float) -> float:
        bucket = self._buckets.get(key)
        if bucket is None:
            return self._size
        return min(self._size, bucket.left + (now - bucket.at) / self._refill_seconds)


class Guessing:
    """Counts guesses; see the module's opening.

    ``crowd`` is whom a guess is counted among, beside its address: ``STRANGERS``, what marks a
    browser of the owner's, or None: it came from a network of the owner's.
    """

    def __init__(self, rules: GuessingRules | None = None) -> None:
        self.rules = rules = rules or GuessingRules()
        self._streaks: OrderedDict[tuple[bytes, str], _Streak] = OrderedDict()
        self._addresses: Allowances[str] = of_addresses(rules)
        self._crowds: Allowances[tuple[bytes, str]] = Allowances(
            rules.stranger_guesses, rules.stranger_refill_seconds, rules.capacity
        )

    def admit(
        self, account: str, address: str, now: float, *, crowd: str | None = STRANGERS
    ) -> float:
        """How many seconds this guess has to wait; 0: it may be tried now, and is counted."""
        key, network = _key(account), network_of(address)
        wait = max(
            self._wait_of_streak((key, network), now),
            self._addresses.wait(network, now),
            0.0 if crowd is None else self._crowds.wait((key, crowd), now),
        )
        if wait > 0:
            return wait
        streak = self._streaks.get((key, network))
        count = 0 if streak is None or self._is_old(streak, now) else streak.count
        _remember(self._streaks, (key, network), _Streak(count + 1, now), self.rules.capacity)
        self._addresses.take(network, now)
        if crowd is not None:
            self._crowds.take((key, crowd), now)
        return 0.0

    def was_right(self, account: str, address: str, *, crowd: str | None = STRANGERS) -> None:
        """A guess that was let through was none: it was the owner."""
        key, network = _key(account), network_of(address)
        self._give_back(key, network, crowd)
        self._streaks.pop((key, network), None)

    def was_not_tried(self, account: str, address: str, *, crowd: str | None = STRANGERS) -> None:
        """A guess that was let through could not be tried after all; it does not count."""
        key, network = _key(account), network_of(address)
        self._give_back(key, network, crowd)
        streak = self._streaks.get((key, network))
        if streak is not None:
            streak.count = max(0, streak.count - 1)

    def forget(self, account: str) -> None:
        """It has a new secret, from somebody who may give it one: all begins anew."""
        key = _key(account)
        for known_as in [each for each in self._streaks if each[0] == key]:
            del self._streaks[known_as]
        self._crowds.refill((key, STRANGERS))

    def _is_old(self, streak: _Streak, now: float) -> bool:
        return now - streak.last > self.rules.forgotten_after_seconds

    def _wait_of_streak(self, known_as: tuple[bytes, str], now: float) -> float:
        rules, streak = self.rules, self._streaks.get(known_as)
        if streak is None or self._is_old(streak, now) or streak.count < rules.free_guesses:
            return 0.0
        doublings = min(streak.count - rules.free_guesses, 60)
        wait = min(rules.first_wait_seconds * 2.0**doublings, rules.longest_wait_seconds)
        return max(0.0, streak.last + wait - now)

    def _give_back(self, key: bytes, network: str, crowd: str | None) -> None:
        self._addresses.give_back(network)
        if crowd is not None:
            self._crowds.give_back((key, crowd))


def of_addresses(rules: GuessingRules | None = None) -> Allowances[str]:
    """The allowances of addresses, by ``network_of``."""
    rules = rules or GuessingRules()
    return Allowances(rules.address_guesses, rules.address_refill_seconds, rules.capacity)


def _key(account: str) -> bytes:
    """What stands for ``account``, of one size for any name."""
    text = account.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=_KEY_BYTES).digest()


def _remember(
    kept: OrderedDict[KeyT, ValueT], known_as: KeyT, value: ValueT, capacity: int
) -> None:
    kept[known_as] = value
    kept.move_to_end(known_as)
    if len(kept) > capacity:
        kept.popitem(last=False)


def network_of(address: str) -> str:
    """The network that stands for ``address``; a text that is no address stands for itself."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if parsed.version == 4:
        return str(parsed)
    if mapped := parsed.ipv4_mapped:
        return str(mapped)
    return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
