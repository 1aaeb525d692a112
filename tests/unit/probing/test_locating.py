import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from trunkpulse.model import KeepalivePolicy, ProbeIdentity, Trunk
from trunkpulse.ports import Address, MessageReceiver, ResolutionFailed
from trunkpulse.probing.locating import Locator
from trunkpulse.probing.prober import Prober
from trunkpulse.probing.sockets import ProbeSockets
from trunkpulse.probing.target import ProbeTarget
from unit.probing.probed import Verdicts
from virtual_time import VirtualClock, run_virtual

IPV4: Address = ("192.0.2.1", 5060)
IPV6: Address = ("2001:db8::1", 5060, 0, 0)


@dataclass
class Wire:
    local_address: Address

    def send(self, data: bytes, destination: Address) -> None:
        return

    def close(self) -> None:
        return


class Names:
    def __init__(self, *answers: Sequence[Address] | ResolutionFailed) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        self.asked += 1
        await asyncio.sleep(0.1)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, ResolutionFailed):
            raise answer
        return answer


class Place:
    """Sockets and a locator for one trunk of one named target."""

    def __init__(
        self, names: Names, *, source: tuple[str, int] | None = None, ipv6: bool = True
    ) -> None:
        self._ipv6 = ipv6
        prober = Prober(clock=VirtualClock(), sink=Verdicts())
        sockets = ProbeSockets(
            prober,
            self._open,
            lambda address: "127.0.0.1" if not address or len(address) == 2 else "::1",
            "trunkpulse",
        )
        self.locator = Locator(names, sockets.settings_towards)
        trunk = Trunk(
            id="t",
            name="t",
            targets=("sip:sbc.example.com",),
            keepalive=KeepalivePolicy(),
            identity=ProbeIdentity(source=source),
        )
        sockets.prepare([trunk])
        ((uri, settings),) = sockets.settings_of(trunk)
        self.target = ProbeTarget(uri, "t", settings)

    def _open(self, local: tuple[str, int], receiver: MessageReceiver) -> Wire:
        if ":" not in local[0]:
            return Wire((local[0], 40_000))
        if not self._ipv6:
            raise OSError("there is no IPv6 here")
        return Wire((local[0], 40_000, 0, 0))

    async def look_up(self) -> None:
        done = asyncio.Event()
        self.locator.look_up(self.target, done.set)
        await done.wait()


async def located(place: Place) -> ProbeTarget:
    running = asyncio.create_task(place.locator.run())
    await place.look_up()
    running.cancel()
    await asyncio.wait([running])
    return place.target


@pytest.mark.parametrize(("found", "width"), [([IPV4, IPV6], 2), ([IPV6, IPV4], 4), ([IPV6], 4)])
def test_the_first_address_is_taken_whatever_its_family(found: list[Address], width: int) -> None:
    async def story() -> None:
        target = await located(Place(Names(found)))
        assert target.address == found[0]
        assert len(target.settings.transport.local_address) == width

    run_virtual(story)


def test_the_via_names_the_address_that_the_answer_can_come_to() -> None:
    async def story() -> None:
        target = await located(Place(Names([IPV6])))
        request = target.settings.options.render(b"sip:x", b"b", b"t", b"c", 1)
        assert b"Via: SIP/2.0/UDP [::1]:40000;rport" in request

    run_virtual(story)


def test_a_source_of_the_other_family_has_no_address_to_probe() -> None:
    async def story() -> None:
        target = await located(Place(Names([IPV6]), source=("127.0.0.1", 0)))
        assert target.address is None
        assert target.unresolved == "sbc.example.com has no IPv4 address"

    run_virtual(story)


def test_a_machine_without_ipv6_takes_the_next_address() -> None:
    async def story() -> None:
        target = await located(Place(Names([IPV6, IPV4]), ipv6=False))
        assert target.address == IPV4

    run_virtual(story)


def test_a_failure_is_told_as_it_was() -> None:
    async def story() -> None:
        target = await located(Place(Names(ResolutionFailed("no such host"))))
        assert (target.address, target.unresolved) == (None, "no such host")

    run_virtual(story)


def test_an_address_is_refreshed_every_minute_and_kept_when_dns_fails() -> None:
    async def story() -> None:
        moved: Address = ("192.0.2.9", 5060)
        names = Names([IPV4], [IPV4], ResolutionFailed("gone"), [moved])
        place = Place(names)
        running = asyncio.create_task(place.locator.run())
        await place.look_up()
        for expected in (IPV4, IPV4, IPV4, moved):
            assert place.target.address == expected
            await asyncio.sleep(60.5)
        place.locator.drop([place.target])
        asked = names.asked
        await asyncio.sleep(600)
        assert names.asked == asked
        running.cancel()
        await asyncio.wait([running])

    run_virtual(story)


def test_many_who_ask_for_one_name_share_one_look_up() -> None:
    async def story() -> None:
        names = Names([IPV4])
        place = Place(names)
        running = asyncio.create_task(place.locator.run())
        await asyncio.gather(*(place.look_up() for _ in range(50)))
        assert names.asked == 1
        running.cancel()
        await asyncio.wait([running])

    run_virtual(story)
