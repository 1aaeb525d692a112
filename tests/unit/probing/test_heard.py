from __future__ import annotations

from trunkpulse.probing.heard import LastHeard


def test_the_latest_moment_of_each_host_is_remembered() -> None:
    heard = LastHeard()
    assert heard.of("192.0.2.1") is None
    heard.note("192.0.2.1", 10.0)
    heard.note("192.0.2.2", 11.0)
    heard.note("192.0.2.1", 12.5)
    assert (heard.of("192.0.2.1"), heard.of("192.0.2.2")) == (12.5, 11.0)


def test_the_scope_of_an_ipv6_address_does_not_make_it_another_host() -> None:
    heard = LastHeard()
    heard.note("fe80::1%eth0", 3.0)
    assert heard.of("fe80::1") == heard.of("fe80::1%2") == 3.0
    assert heard.of("fe80::2") is None


def test_a_flood_of_hosts_pushes_out_those_that_have_been_silent_longest() -> None:
    heard = LastHeard()
    heard.note("carrier", 0.0)
    heard.note("silent", 0.0)
    for number in range(9_998):
        heard.note(f"host-{number}", 1.0)
    heard.note("carrier", 2.0)
    assert heard.of("silent") == 0.0
    heard.note("one more", 3.0)
    assert heard.of("silent") is None
    assert heard.of("carrier") == 2.0
    assert heard.of("host-0") == 1.0
    heard.note("and another", 3.0)
    assert heard.of("host-0") is None
