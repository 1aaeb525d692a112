"""Where datagrams would leave from depends on where they go, not on what was asked before."""

from __future__ import annotations

import gc

from trunkpulse.adapters.network.local import LocalAddresses
from trunkpulse.ports import Address

HERE: Address = ("127.0.0.1", 5060)
ELSEWHERE: Address = ("192.0.2.77", 5060)


def test_an_answer_does_not_depend_on_the_question_before() -> None:
    alone = [LocalAddresses().route_to(place) for place in (HERE, ELSEWHERE)]
    asked = LocalAddresses()
    assert [asked.route_to(place) for place in (HERE, ELSEWHERE) * 3] == alone * 3
    assert alone[0] == "127.0.0.1"
    assert alone[1] != "127.0.0.1"


def test_there_is_no_route_to_what_is_no_address() -> None:
    asked = LocalAddresses()
    assert asked.route_to(("224.0.0.256", 5060)) is None
    assert asked.route_to(HERE) == "127.0.0.1"


def test_its_sockets_go_with_it() -> None:
    LocalAddresses().route_to(HERE)
    gc.collect()  # a socket that is left open is a warning, and so an error here
