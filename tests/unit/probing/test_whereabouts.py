"""Who is where, as targets come, move and go."""

from __future__ import annotations

from trunkpulse.model import KeepalivePolicy, ProbeIdentity, TransportProtocol
from trunkpulse.ports import Address
from trunkpulse.probing.target import ProbeSettings, ProbeTarget
from trunkpulse.probing.whereabouts import MOST_TOLD_APART, Whereabouts
from unit.probing.probed import OPTIONS, Wire

HOST = "192.0.2.1"
HERE = (HOST, 5060)


def target(
    uri: str = f"sip:{HOST}",
    address: Address | None = HERE,
    protocol: TransportProtocol = TransportProtocol.UDP,
) -> ProbeTarget:
    settings = ProbeSettings(KeepalivePolicy(), ProbeIdentity(), OPTIONS, Wire(protocol=protocol))
    return ProbeTarget(uri, "trunk", settings, address)


def test_a_target_is_found_at_its_address_and_at_no_other() -> None:
    where, here = Whereabouts(), target()
    where.add([here])
    where.add([here])
    assert where.find(HERE, False) == HERE
    assert where.at(HERE) == (here,)
    for elsewhere in ((HOST, 5061), ("192.0.2.2", 5060)):
        assert where.find(elsewhere, False) is None
        assert where.at(elsewhere) == ()
    where.remove([here])
    where.remove([here])
    assert (where.find(HERE, False), where.at(HERE)) == (None, ())


def test_several_at_one_address_are_told_until_they_are_too_many() -> None:
    where = Whereabouts()
    several = [target() for _ in range(MOST_TOLD_APART)]
    where.add(several)
    assert where.at(HERE) == tuple(several)
    one_more = target()
    where.add([one_more])
    assert where.at(HERE) == ()
    assert where.find(HERE, False) == HERE
    where.remove([*several[1:], one_more])
    assert where.at(HERE) == (several[0],)


def test_over_a_connection_the_far_port_may_be_any_where_the_host_is_that_of_one() -> None:
    where = Whereabouts()
    connected = target(f"sip:{HOST};transport=tcp", HERE, TransportProtocol.TCP)
    where.add([connected])
    assert where.find((HOST, 40_123), True) == HERE
    assert where.find((HOST, 40_123), False) is None
    other = target(f"sip:{HOST}:5070;transport=tcp", (HOST, 5070), TransportProtocol.TCP)
    where.add([other])
    assert where.find((HOST, 40_123), True) is None
    assert where.find((HOST, 5070), True) == (HOST, 5070)
    where.remove([connected])
    assert where.find((HOST, 40_123), True) == (HOST, 5070)
    where.remove([other])
    assert where.find((HOST, 40_123), True) is None


def test_a_target_over_udp_is_not_found_by_its_host_alone() -> None:
    where = Whereabouts()
    where.add([target()])
    assert where.find((HOST, 40_123), True) is None


def test_a_name_that_moves_is_found_where_it_is_now() -> None:
    where, moving = Whereabouts(), target("sip:sbc.example.com", None)
    where.add([moving])
    assert where.find(HERE, False) is None
    for host in ("192.0.2.1", "192.0.2.2", "2001:db8::1"):
        moving.address = (host, 5060)
        where.add([moving])
        assert where.at((host, 5060)) == (moving,)
    assert where.find(HERE, False) is None
    moving.address = None
    where.add([moving])
    assert where.find(("2001:db8::1", 5060), False) is None
    moving.address = HERE
    where.add([moving])
    moving.address = None  # and nobody says so before it goes
    where.remove([moving])
    assert where.at(HERE) == ()
