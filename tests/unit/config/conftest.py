"""What the tests of this folder share."""

from __future__ import annotations

import pytest

from unit.config.pem import PemFiles, made


@pytest.fixture(scope="session")
def pem_files() -> PemFiles:
    return made()
