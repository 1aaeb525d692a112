import asyncio
from collections.abc import Callable, Collection, Coroutine
from functools import cached_property

from trunkpulse.model import TransportProtocol
from trunkpulse.ports import Location, ResolutionFailed, Server
from trunkpulse.probing.locating import Locator, Watch
from trunkpulse.sip.uri import SipUri
from virtual_time import VirtualClock, run_virtual

WAY = "sip:sbc.example.com"
WATCH = Watch("carrier", WAY)


def at(host: str, *, ttl_seconds: float | None = 60.0) -> Location:
    return Location((Server(TransportProtocol.UDP, (host, 5060)),), ttl_seconds)


class Names:
    """A resolver that takes a tenth of a second; the last answer is given for good."""

    def __init__(self, *answers: Location | ResolutionFailed) -> None:
        self._answers = list(answers)
        self.asked: list[float] = []

    @cached_property
    def clock(self) -> VirtualClock:
        return VirtualClock()  # of the loop that runs by then

    async def locate(self, uri: SipUri) -> Location:
        self.asked.append(self.clock.monotonic())
        await asyncio.sleep(0.1)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, ResolutionFailed):
            raise answer
        return answer


class Found:
    """Who hears where names lead."""

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self.watches: list[frozenset[Watch]] = []

    def __call__(self, watches: Collection[Watch], location: Location) -> None:
        self.hosts.append(location.servers[0].address[0])
        self.watches.append(frozenset(watches))


def story_of(
    names: Names, tell: Callable[[Locator, Found], Coroutine[None, None, None]]
) -> Callable[[], Coroutine[None, None, None]]:
    async def story() -> None:
        found = Found()
        locator = Locator(names, names.clock, found)
        running = asyncio.create_task(locator.run())
        await tell(locator, found)
        running.cancel()
        await asyncio.wait([running])

    return story


async def look_up(locator: Locator, watch: Watch = WATCH) -> None:
    done = asyncio.Event()
    locator.look_up(watch, done.set)
    await done.wait()


def test_a_watched_name_is_looked_up_at_once_and_again_when_its_ttl_is_over() -> None:
    names = Names(at("192.0.2.1", ttl_seconds=20.0), at("192.0.2.2", ttl_seconds=300.0))

    async def tell(locator: Locator, found: Found) -> None:
        start = names.clock.monotonic()
        assert locator.watch(WATCH, WAY) is None
        await asyncio.sleep(400.0)
        assert [round(moment - start, 1) for moment in names.asked] == [0.0, 20.1, 320.2]
        assert found.hosts == ["192.0.2.1", "192.0.2.2", "192.0.2.2"]

    run_virtual(story_of(names, tell))


def test_a_ttl_of_nothing_and_one_of_a_week_are_both_bounded() -> None:
    names = Names(at("192.0.2.1", ttl_seconds=0.0), at("192.0.2.1", ttl_seconds=604_800.0))

    async def tell(locator: Locator, found: Found) -> None:
        locator.watch(WATCH, WAY)
        await asyncio.sleep(4.0)
        assert len(names.asked) == 1
        await asyncio.sleep(2.0)
        assert len(names.asked) == 2
        await asyncio.sleep(3500.0)
        assert len(names.asked) == 2
        await asyncio.sleep(200.0)
        assert len(names.asked) == 3

    run_virtual(story_of(names, tell))


def test_a_failure_keeps_the_last_answer_says_so_and_is_tried_again_soon() -> None:
    names = Names(at("192.0.2.1"), ResolutionFailed("no name server"), at("192.0.2.9"))

    async def tell(locator: Locator, found: Found) -> None:
        locator.watch(WATCH, WAY)
        await asyncio.sleep(61.0)
        assert found.hosts == ["192.0.2.1"]
        trouble = locator.trouble(WATCH)
        assert trouble is not None
        assert trouble.problem == "no name server"
        assert locator.troubles() == {WAY: trouble}
        assert locator.watch(Watch("another", WAY), WAY) == at("192.0.2.1")
        await asyncio.sleep(31.0)
        assert found.hosts == ["192.0.2.1", "192.0.2.9"]
        assert locator.trouble(WATCH) is None
        assert not locator.troubles()

    run_virtual(story_of(names, tell))


def test_trouble_dates_from_the_first_failure_in_a_row() -> None:
    names = Names(ResolutionFailed("no name server"), ResolutionFailed("no such host"))

    async def tell(locator: Locator, found: Found) -> None:
        began = names.clock.wall()
        locator.watch(WATCH, WAY)
        await asyncio.sleep(100.0)
        trouble = locator.trouble(WATCH)
        assert trouble is not None
        assert (trouble.problem, round(trouble.since - began, 1)) == ("no such host", 0.1)

    run_virtual(story_of(names, tell))


def test_each_who_asks_after_a_look_up_gets_one_of_their_own() -> None:
    names = Names(ResolutionFailed("no such host"))

    async def tell(locator: Locator, found: Found) -> None:
        locator.watch(WATCH, WAY)
        await look_up(locator)
        asked = len(names.asked)
        await look_up(locator)
        await look_up(locator)
        assert len(names.asked) == asked + 2

    run_virtual(story_of(names, tell))


def test_many_who_ask_for_one_name_share_one_look_up() -> None:
    names = Names(at("192.0.2.1"))

    async def tell(locator: Locator, found: Found) -> None:
        watches = [Watch(f"trunk-{number}", WAY) for number in range(50)]
        for watch in watches:
            locator.watch(watch, WAY)
        await asyncio.gather(*(look_up(locator, watch) for watch in watches))
        assert len(names.asked) == 1
        assert found.watches == [frozenset(watches)]

    run_virtual(story_of(names, tell))


def test_a_name_that_nobody_watches_any_more_is_not_looked_up() -> None:
    names = Names(at("192.0.2.1"))

    async def tell(locator: Locator, found: Found) -> None:
        locator.watch(WATCH, WAY)
        locator.watch(Watch("another", WAY), WAY)
        await asyncio.sleep(1.0)
        locator.unwatch(WATCH)
        locator.unwatch(WATCH)
        await asyncio.sleep(60.0)
        assert found.watches[-1] == frozenset({Watch("another", WAY)})
        locator.unwatch(Watch("another", WAY))
        asked = len(names.asked)
        await asyncio.sleep(600.0)
        assert len(names.asked) == asked

    run_virtual(story_of(names, tell))


def test_a_target_that_goes_another_way_is_no_longer_told_of_the_old_one() -> None:
    names = Names(at("192.0.2.1"))

    async def tell(locator: Locator, found: Found) -> None:
        locator.watch(WATCH, WAY)
        await asyncio.sleep(1.0)
        locator.watch(WATCH, "sip:edge.example.com;lr")
        await asyncio.sleep(130.0)
        assert all(watches == frozenset({WATCH}) for watches in found.watches)
        assert len(names.asked) == 4  # once the old way, then thrice the new one

    run_virtual(story_of(names, tell))


class Turn:
    """Counts what happens in one turn of the event loop."""

    def __init__(self) -> None:
        self.most = 0
        self._count = 0

    def note(self, number: int = 1) -> None:
        if not self._count:
            asyncio.get_running_loop().call_soon(self._over)
        self._count += number
        self.most = max(self.most, self._count)

    def _over(self) -> None:
        self._count = 0


MANY = [Watch(f"trunk-{number}", WAY) for number in range(1000)]


def test_a_name_of_very_many_is_told_a_few_at_a_time() -> None:
    names = Names(at("192.0.2.1"))

    async def tell(locator: Locator, found: Found) -> None:
        told, asked = Turn(), Turn()

        def located(watches: Collection[Watch], location: Location) -> None:
            told.note(len(watches))
            found(watches, location)

        mass = Locator(names, names.clock, located)
        running = asyncio.create_task(mass.run())
        for watch in MANY:
            mass.watch(watch, WAY)
            mass.look_up(watch, asked.note)
        await asyncio.sleep(1.0)
        running.cancel()
        await asyncio.wait([running])
        assert sorted(each for part in found.watches for each in part) == sorted(MANY)
        assert max(told.most, asked.most) <= 200
        assert len(names.asked) == 1

    run_virtual(story_of(names, tell))


def test_who_is_let_go_while_the_others_are_told_does_not_hear_of_it() -> None:
    names = Names(at("192.0.2.1"))

    async def tell(locator: Locator, found: Found) -> None:
        def located(watches: Collection[Watch], location: Location) -> None:
            found(watches, location)
            for watch in MANY:
                if watch not in watches:
                    mass.unwatch(watch)

        mass = Locator(names, names.clock, located)
        running = asyncio.create_task(mass.run())
        for watch in MANY:
            mass.watch(watch, WAY)
        await asyncio.sleep(1.0)
        running.cancel()
        await asyncio.wait([running])
        assert sum(map(len, found.watches)) == len(found.watches[0]) < len(MANY)

    run_virtual(story_of(names, tell))
