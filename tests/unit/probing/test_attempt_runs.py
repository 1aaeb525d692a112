from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from trunkpulse.model import FailureKind
from trunkpulse.probing.attempt import Attempt
from trunkpulse.probing.runs import NOTHING, packed, unpacked

MOMENTS = st.floats(allow_nan=False)
ATTEMPTS = st.builds(
    Attempt,
    at=MOMENTS,
    code=st.none() | st.integers(100, 699),
    failure=st.none() | st.sampled_from(FailureKind),
    detail=st.none() | st.text(max_size=60),
    rtt_seconds=st.none() | MOMENTS,
    quiet_until=st.none() | MOMENTS,
    first_at=st.none() | MOMENTS,
    times=st.none() | st.integers(1, 2**32 - 1),
)


@given(st.lists(ATTEMPTS, max_size=16).map(tuple))
@example((Attempt(1.0, None, FailureKind.TLS, "kein Größenmaß \udcff", None),))
@example((Attempt(1.0, 200, None, "", 0.0), Attempt(2.0, 200, None, None, None)))
def test_what_is_packed_comes_out_as_it_was(attempts: tuple[Attempt, ...]) -> None:
    assert unpacked(packed(attempts)) == attempts


def test_nothing_is_no_bytes() -> None:
    assert packed(()) == NOTHING
    assert unpacked(NOTHING) == ()


def test_what_does_not_fit_is_cut_and_leaves_the_others_whole() -> None:
    long, after = Attempt(1.0, 503, None, "ß" * 99_999, None), Attempt(2.0, 200, None, None, 0.1)
    cut, unharmed = unpacked(packed((long, after)))
    assert cut == long._replace(detail="ß" * 16_383)
    assert unharmed == after


def test_an_outage_is_remembered_in_few_bytes() -> None:
    runs = (
        Attempt(1.7e9, 200, None, None, 0.02, None, 1.6e9, None),
        Attempt(1.7e9, None, FailureKind.TIMEOUT, "no answer within 4 s", None, None, 1.7e9, 5),
        Attempt(1.7e9, 200, None, None, 0.02, None, 1.7e9, None),
    )
    assert len(packed(runs)) < 150
