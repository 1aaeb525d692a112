import gc

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from trunkpulse.probing.schedule import NEVER, TimingWheel, first_moments


class Item:
    def __init__(self) -> None:
        self.due_tick = NEVER


def everything_due(wheel: TimingWheel[Item], now: float) -> list[Item]:
    due: list[Item] = []
    while (taken := wheel.take(now)) is not None:
        due += taken[1]
    return due


def test_an_item_is_due_once_and_not_before_its_moment() -> None:
    wheel: TimingWheel[Item] = TimingWheel(100.0)
    item = Item()
    wheel.arm(item, 100.5)
    assert everything_due(wheel, 100.499) == []
    assert everything_due(wheel, 100.51) == [item]
    assert everything_due(wheel, 200.0) == []


def test_all_that_are_armed_for_a_tick_share_its_number() -> None:
    wheel: TimingWheel[Item] = TimingWheel(0.0)
    one, other = Item(), Item()
    wheel.arm(one, 30.0)
    wheel.arm(other, 30.0)
    assert one.due_tick == 3000
    assert one.due_tick is other.due_tick


def test_arming_again_replaces_the_earlier_moment() -> None:
    wheel: TimingWheel[Item] = TimingWheel(0.0)
    item = Item()
    wheel.arm(item, 1.0)
    wheel.arm(item, 2.0)
    assert everything_due(wheel, 1.5) == []
    assert everything_due(wheel, 2.0) == [item]


def test_a_moment_beyond_the_ring_waits_for_its_round() -> None:
    wheel: TimingWheel[Item] = TimingWheel(0.0, slots=8)
    item = Item()
    wheel.arm(item, 1.0)  # tick 100: twelve rounds and a half of eight slots
    for hundredth in range(100):
        assert everything_due(wheel, hundredth / 100) == []
    assert everything_due(wheel, 1.0) == [item]


def test_the_moment_that_was_meant_is_told() -> None:
    wheel: TimingWheel[Item] = TimingWheel(0.0)
    item = Item()
    wheel.arm(item, 0.25)
    taken = wheel.take(3.0)
    assert taken is not None
    assert abs(taken[0] - 0.25) < 1e-9


def test_next_moment_is_that_of_the_first_filled_slot() -> None:
    wheel: TimingWheel[Item] = TimingWheel(0.0)
    assert wheel.next_moment() is None
    near, far = Item(), Item()
    wheel.arm(far, 5.0)
    wheel.arm(near, 2.0)
    moment = wheel.next_moment()
    assert moment is not None
    assert abs(moment - 2.0) < 1e-9


def test_the_garbage_collector_has_nothing_new_to_look_at_however_often_the_wheel_turns() -> None:
    wheel = TimingWheel[Item](0.0, slots=8)
    items = [Item() for _ in range(20)]
    gc.collect()
    gc.freeze()
    for step in range(40):
        for number, item in enumerate(items):
            if item.due_tick == NEVER:
                # Within this round of the ring, and some in the next one.
                wheel.arm(item, (step + 1 + number) * 0.01)
        while wheel.take(step * 0.01) is not None:
            pass
    looked_at = [each for each in gc.get_objects() if isinstance(each, list)]
    assert not any(isinstance(each, Item) for some in looked_at for each in some)
    assert sum(item.due_tick != NEVER for item in items) > 15


class WheelAgainstDictionary(RuleBasedStateMachine):
    """The wheel does what a dictionary of deadlines would, only faster."""

    @initialize(slots=st.integers(2, 50))
    def start(self, slots: int) -> None:
        self.now = 1000.0
        self.wheel: TimingWheel[Item] = TimingWheel(self.now, slots=slots)
        self.items = [Item() for _ in range(6)]
        self.deadlines: dict[int, float] = {}

    @rule(which=st.integers(0, 5), delay=st.floats(0, 3))
    def arm(self, which: int, delay: float) -> None:
        self.wheel.arm(self.items[which], self.now + delay)
        self.deadlines[which] = self.now + delay

    @rule(which=st.integers(0, 5))
    def disarm(self, which: int) -> None:
        self.wheel.disarm(self.items[which])
        self.deadlines.pop(which, None)

    @rule(seconds=st.floats(0, 2))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        due = everything_due(self.wheel, self.now)
        tick = self.wheel.tick_seconds
        for item in due:
            deadline = self.deadlines.pop(self.items.index(item))  # due once, and only if armed
            assert deadline <= self.now + 1e-6
        for deadline in self.deadlines.values():
            assert deadline > self.now - 2 * tick

    @invariant()
    def what_is_armed_is_ahead(self) -> None:
        if self.deadlines:
            assert self.wheel.next_moment() is not None


TestWheel = WheelAgainstDictionary.TestCase


@given(st.integers(21, 5000), st.floats(1, 3600))
def test_first_probes_of_many_fill_one_interval_evenly(count: int, interval: float) -> None:
    moments = first_moments([interval] * count, 50.0)
    assert min(moments) >= 50.0
    assert max(moments) < 50.0 + interval
    quarters = [0, 0, 0, 0]
    for moment in moments:
        quarters[int((moment - 50.0) / interval * 4)] += 1
    assert max(quarters) - min(quarters) <= 2


def test_a_handful_starts_within_a_second() -> None:
    assert max(first_moments([30.0] * 20, 0.0)) < 1.0
    assert max(first_moments([0.5], 0.0)) == 0.0


def test_first_probes_take_longer_than_an_interval_if_that_is_asked_for() -> None:
    moments = first_moments([30.0] * 50, 100.0, least_seconds=100.0)
    assert (moments[0], moments[25]) == (100.0, 150.0)
    assert first_moments([30.0] * 50, 100.0, least_seconds=1.0)[25] == 115.0
    assert first_moments([30.0], 100.0, least_seconds=1000.0) == [100.0]
