from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.adapters.http.api.substring import holds, plainly_holds

# Few letters, so that there are parts that begin in many places; one is what ends a text in C.
letters = st.sampled_from([b"a", b"b", b"\0", b"\n", b"\xc3\xbc"])
texts = st.lists(letters, max_size=60).map(b"".join)
parts = st.lists(letters, min_size=1, max_size=20).map(b"".join)


@given(texts, parts)
def test_the_c_library_finds_what_python_finds(text: bytes, part: bytes) -> None:
    assert holds(text, part) == plainly_holds(text, part)


@given(texts, parts, texts)
def test_what_a_text_was_put_together_from_is_found(
    before: bytes, part: bytes, after: bytes
) -> None:
    assert holds(before + part + after, part)
    assert plainly_holds(before + part + after, part)


def test_what_is_nowhere_is_not_found() -> None:
    assert not holds(b"trunk-1\nTrunk 1\n", b"trunk-2")
    assert not plainly_holds(b"trunk-1\nTrunk 1\n", b"trunk-2")
