"""What all tests have in common: a garbage collector that looks at what they make, not at them.

Eight thousand tests and all that they import are most of a million objects, which stay until the
end. To go through them takes some tenths of a second, and again whenever a test has made many of
its own: a third of the time of the tests of the API. So nothing is collected while tests are, and
what is there then is *frozen*: the collector never looks at it again (``gc.freeze``).
"""

from __future__ import annotations

import gc
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect the tests while the garbage collector rests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
