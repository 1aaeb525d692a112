"""Commands are tried without anything that the shell of whoever runs the tests may have set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        *("TRUNKPULSE_URL", "TRUNKPULSE_TOKEN", "TRUNKPULSE_CONFIG"),
        *("NO_COLOR", "FORCE_COLOR", "COLUMNS"),
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def quiet_service() -> Iterator[None]:
    """A service in the test's own process does not log into the output of the command."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.reset_defaults()
