"""Guesses at a password or a secret, and how long somebody has to wait for the next one.

Three counts stand against guessing, and none of them may become a way to lock somebody else out:

* of an **account from one address**: a few mistakes are free, then each further one doubles the
  time until the next guess, up to ``longest_wait_seconds``. Whoever really owns the account is
  elsewhere and does not notice.
* of an **address**, over all accounts: a bucket of guesses that fills up slowly. It is against
  trying one password on many accounts.
* of an **account from strangers**, those addresses together from which nobody has ever proved to
  be its owner: a larger bucket. It is against guessing from many addresses at once. An address
  that the owner has come from is no stranger, so the owner is not slowed down there.

A guess is counted when it is let through, before anybody knows how it ends, so a thousand at the
same moment are not a thousand for free. If it was right, the count is given back. A guess that is
refused changes nothing: it neither lengthens the wait nor takes memory.

An address is counted as a network of the size that one subscriber gets: IPv6 by its first 64
bits, for anybody has as many addresses within as they like.

Memory is bounded: beyond ``capacity`` the count that was touched longest ago is forgotten. Making
the owner's or one's own count be forgotten takes as many guesses that are let through, of which
each has cost its maker an address's allowance.

Nothing here waits or reads a clock; ``now`` is in seconds that never go backwards.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, TypeVar

__all__ = ["Guessing", "GuessingRules", "network_of"]

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")

MOST_KNOWN_NETWORKS: Final = 16
"""Of one account."""


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
    """At one account at once, of all strangers together."""
    stranger_refill_seconds: float = 20.0
    """Until they may guess once more."""
    capacity: int = 50_000
    """Of counts of each kind, and of accounts whose networks are known."""


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


@dataclass(frozen=True, slots=True)
class _Allowance:
    """How many guesses a bucket holds, and how fast it fills up."""

    size: int
    refill_seconds: float

    def wait(self, bucket: _Bucket | None, now: float) -> float:
        missing = 1 - self._left(bucket, now)
        # A wait that is over shall be over, whatever the rounding.
        return missing * self.refill_seconds if missing > 1e-6 else 0.0

    def taken(self, bucket: _Bucket | None, now: float) -> _Bucket:
        return _Bucket(self._left(bucket, now) - 1, now)

    def give_back(self, bucket: _Bucket | None) -> None:
        if bucket is not None:
            bucket.left = min(bucket.left + 1, self.size)

    def _left(self, bucket: _Bucket | None, now: float) -> float:
        if bucket is None:
            return self.size
        return min(self.size, bucket.left + (now - bucket.at) / self.refill_seconds)


@dataclass(slots=True)
class Guessing:
    """Counts guesses; see the module's opening."""

    rules: GuessingRules = field(default_factory=GuessingRules)
    _streaks: OrderedDict[tuple[str, str], _Streak] = field(default_factory=OrderedDict)
    _addresses: OrderedDict[str, _Bucket] = field(default_factory=OrderedDict)
    _strangers: OrderedDict[str, _Bucket] = field(default_factory=OrderedDict)
    _known: OrderedDict[str, OrderedDict[str, None]] = field(default_factory=OrderedDict)

    def admit(self, account: str, address: str, now: float) -> float:
        """How many seconds this guess has to wait; 0: it may be tried now, and is counted."""
        network, known = network_of(address), self.is_known(account, address)
        wait = max(
            self._wait_of_streak((account, network), now),
            self._of_address.wait(self._addresses.get(network), now),
            0.0 if known else self._of_strangers.wait(self._strangers.get(account), now),
        )
        if wait > 0:
            return wait
        streak = self._streaks.get((account, network))
        count = 0 if streak is None or self._is_old(streak, now) else streak.count
        self._remember(self._streaks, (account, network), _Streak(count + 1, now))
        bucket = self._of_address.taken(self._addresses.get(network), now)
        self._remember(self._addresses, network, bucket)
        if not known:
            bucket = self._of_strangers.taken(self._strangers.get(account), now)
            self._remember(self._strangers, account, bucket)
        return 0.0

    def was_right(self, account: str, address: str) -> None:
        """A guess that was let through was none: the owner has come from there."""
        self._give_back(account, address)
        self._streaks.pop((account, network_of(address)), None)
        self.know(account, address)

    def was_not_tried(self, account: str, address: str) -> None:
        """A guess that was let through could not be tried after all; it does not count."""
        self._give_back(account, address)
        streak = self._streaks.get((account, network_of(address)))
        if streak is not None:
            streak.count = max(0, streak.count - 1)

    def know(self, account: str, address: str) -> None:
        """The owner of ``account`` has come from ``address``."""
        network, networks = network_of(address), self._known.get(account, OrderedDict())
        self._remember(self._known, account, networks)
        networks[network] = None
        networks.move_to_end(network)
        if len(networks) > MOST_KNOWN_NETWORKS:
            networks.popitem(last=False)

    def is_known(self, account: str, address: str) -> bool:
        """Whether its owner has come from there."""
        return network_of(address) in self._known.get(account, ())

    def forget(self, account: str) -> None:
        """It has a new secret, from somebody who may give it one: all begins anew."""
        for known_as in [each for each in self._streaks if each[0] == account]:
            del self._streaks[known_as]
        self._strangers.pop(account, None)
        self._known.pop(account, None)

    @property
    def _of_address(self) -> _Allowance:
        return _Allowance(self.rules.address_guesses, self.rules.address_refill_seconds)

    @property
    def _of_strangers(self) -> _Allowance:
        return _Allowance(self.rules.stranger_guesses, self.rules.stranger_refill_seconds)

    def _is_old(self, streak: _Streak, now: float) -> bool:
        return now - streak.last > self.rules.forgotten_after_seconds

    def _wait_of_streak(self, known_as: tuple[str, str], now: float) -> float:
        rules, streak = self.rules, self._streaks.get(known_as)
        if streak is None or self._is_old(streak, now) or streak.count < rules.free_guesses:
            return 0.0
        doublings = min(streak.count - rules.free_guesses, 60)
        wait = min(rules.first_wait_seconds * 2.0**doublings, rules.longest_wait_seconds)
        return max(0.0, streak.last + wait - now)

    def _give_back(self, account: str, address: str) -> None:
        self._of_address.give_back(self._addresses.get(network_of(address)))
        if not self.is_known(account, address):
            self._of_strangers.give_back(self._strangers.get(account))

    def _remember(self, kept: OrderedDict[KeyT, ValueT], known_as: KeyT, value: ValueT) -> None:
        kept[known_as] = value
        kept.move_to_end(known_as)
        if len(kept) > self.rules.capacity:
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
