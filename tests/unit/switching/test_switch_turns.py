"""However many entries and trunks there are, the event loop goes on with everything else."""

from __future__ import annotations

from collections.abc import Iterable

from switch_servers.sockets import HOST
from trunkpulse.config.switches import SwitchSettings, SwitchType, SwitchUrl
from trunkpulse.model import TargetState, TrunkState
from trunkpulse.ports import Entry
from trunkpulse.switching.matching import Address, Matches, address_of
from trunkpulse.switching.standing import TargetStanding, TrunkStanding
from trunkpulse.switching.wishes import Wishes
from unit.switching.turns import turns_of_others

MANY = 4000
LEAST_TURNS = 10
"""That others have meanwhile; a step of it is a millisecond's work then, and not ten of them."""
SETTINGS = SwitchSettings(id="x", type=SwitchType.KAMAILIO, url=SwitchUrl("tcp", HOST, 2049))


class AtOneAddress(dict[str, TrunkStanding]):
    def ids(self) -> Iterable[str]:
        return self

    def standing(self, trunk_id: str) -> TrunkStanding | None:
        return self.get(trunk_id)


async def test_an_address_that_very_many_trunks_share_is_let_go_bit_by_bit() -> None:
    here = Address("udp", "192.0.2.1", 5060)
    target = TargetStanding("sip:192.0.2.1:5060", None, TargetState.DOWN)
    standing = TrunkStanding(TrunkState.DOWN, in_service=True, targets=(target,))
    matches = Matches(AtOneAddress({f"t{number}": standing for number in range(MANY)}))
    await matches.follow({here})
    assert await turns_of_others(matches.follow(set())) >= LEAST_TURNS
    assert not matches.concerns("t0")
    assert list(matches.at(here)) == []


async def test_addresses_that_were_never_seen_are_read_bit_by_bit() -> None:
    address_of.cache_clear()
    entries = [Entry(f"e{n}", f"sip:10.0.{n >> 8}.{n & 255}", up=True) for n in range(MANY)]
    wishes = Wishes(SETTINGS, AtOneAddress(), by_address=True)
    assert await turns_of_others(wishes.of(entries)) >= 2 * LEAST_TURNS
