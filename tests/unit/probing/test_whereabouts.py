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
    assert where.has(*HERE, connected=False)
    assert where.at(*HERE, connected=False) == (here,)
    for elsewhere in ((HOST, 5061), ("192.0.2.2", 5060)):
        assert not where.has(*elsewhere, connected=False)
        assert where.at(*elsewhere, connected=False) == ()
    where.remove([here])
    where.remove([here])
    assert where.at(*HERE, connected=False) == ()
    assert not where.has(*HERE, connected=False)


def test_several_at_one_address_are_told_until_they_are_too_many() -> None:
    where = Whereabouts()
    several = [target() for _ in range(MOST_TOLD_APART)]
    where.add(several)
    assert where.at(*HERE, connected=False) == tuple(several)
    one_more = target()
    where.add([one_more])
    assert where.at(*HERE, connected=False) == ()
    assert where.has(*HERE, connected=False)
    where.remove([*several[1:], one_more])
    assert where.at(*HERE, connected=False) == (several[0],)


def test_what_is_reached_over_udp_and_over_connections_is_told_apart() -> None:
    where, datagrams = Whereabouts(), target()
    connected = target(f"sip:{HOST};transport=tcp", HERE, TransportProtocol.TCP)
    where.add([datagrams])
    assert not where.has(*HERE, connected=True)
    where.add([connected])
    assert where.at(*HERE, connected=False) == (datagrams,)
    assert where.at(*HERE, connected=True) == (connected,)
    where.remove([datagrams])
    assert not where.has(*HERE, connected=False)
    assert where.has(*HERE, connected=True)


def test_over_a_connection_no_port_counts_but_that_which_the_target_listens_on() -> None:
    where = Whereabouts()
    where.add([target(f"sip:{HOST};transport=tcp", HERE, TransportProtocol.TCP)])
    assert where.has(*HERE, connected=True)
    for port in (40_123, 5061):
        assert not where.has(HOST, port, connected=True)


def test_a_name_that_moves_is_found_where_it_is_now() -> None:
    where, moving = Whereabouts(), target("sip:sbc.example.com", None)
    where.add([moving])
    assert not where.has(*HERE, connected=False)
    for host in ("192.0.2.1", "192.0.2.2", "2001:db8::1"):
        moving.address = (host, 5060)
        where.add([moving])
        assert where.at(host, 5060, connected=False) == (moving,)
    assert not where.has(*HERE, connected=False)
    moving.address = None
    where.add([moving])
    assert not where.has("2001:db8::1", 5060, connected=False)
    moving.address = HERE
    where.add([moving])
    moving.address = None  # and nobody says so before it goes
    where.remove([moving])
    assert where.at(*HERE, connected=False) == ()
