from __future__ import annotations

from pathlib import Path

import pytest

from nursery import common_nursery
from torture.service import Installation


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture
def installation(tmp_path: Path, bytecode: Path) -> Installation:
    return Installation(tmp_path, bytecode, common_nursery())
