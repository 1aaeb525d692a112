"""``trunkpulse maintenance``: planned, listed and called off from a shell."""

from __future__ import annotations

import json

import pytest

from trunkpulse.model import MaintenanceWindow
from unit.cli.api_service import Service, service


async def planned(there: Service) -> MaintenanceWindow:
    (window,) = await there.world.store.load_windows()
    return window


async def test_maintenance_begins_now_and_lasts_as_long_as_is_said() -> None:
    async with service() as there:
        out = await there.said(
            "maintenance", "add", "move", "--carrier", "acme", "--for", "2h", "--name", "Acme moves"
        )
        window = await planned(there)
        assert out.startswith("Maintenance move ")
        assert out.endswith(": carriers acme.\n")
        assert (window.name, window.carriers) == ("Acme moves", ("acme",))
        assert window.starts_ms is not None
        assert window.ends_ms == window.starts_ms + 2 * 3_600_000
        assert (await there.said("maintenance", "remove", "move")) == (
            "Maintenance move is removed.\n"
        )
        assert (await there.said("maintenance", "list")) == "No maintenance is planned.\n"


async def test_a_carrier_that_no_trunk_has_is_pointed_out() -> None:
    async with service() as there:
        out = await there.said("maintenance", "add", "move", "--carrier", "acne", "--for", "2h")
        assert 'no trunk has the carrier "acne" now' in out


async def test_maintenance_comes_again_on_days_of_the_week() -> None:
    async with service() as there:
        out = await there.said(
            "maintenance", "add", "patches", "--weekly", "sunday", "--weekly", "monday",
            "--at", "02:00", "--for", "90m", "--time-zone", "Europe/Berlin",
        )  # fmt: skip
        assert out.startswith("Maintenance patches ")
        listed = await there.said("maintenance", "list")
        assert "sunday, monday at 02:00 for 90 min (Europe/Berlin)" in listed
        assert listed.rstrip().endswith("the API")
        documents = json.loads(await there.said("maintenance", "list", "--json"))
        assert documents["entities"][0]["durationSeconds"] == 5400


async def test_maintenance_from_one_moment_to_another() -> None:
    async with service() as there:
        await there.said(
            "maintenance", "add", "move", "--trunk", "carrier-a",
            "--starts", "2030-12-06 02:00+01:00", "--ends", "2030-12-06T03:00:00+01:00",
        )  # fmt: skip
        window = await planned(there)
        assert (window.starts_ms, window.trunks) == (1_922_749_200_000, ("carrier-a",))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "either --ends or --for"),
        (("--for", "2h", "--ends", "2030-01-01"), "either --ends or --for"),
        (("--for", "two hours"), "90m, 2h or 1d"),
        (("--starts", "soon", "--for", "2h"), "is no moment"),
        (("--at", "02:00", "--for", "2h"), "for windows that come again"),
        (("--daily", "--for", "2h"), "needs --at"),
        (("--daily", "--weekly", "sunday", "--at", "02:00", "--for", "2h"), "either daily or"),
        (("--daily", "--starts", "2030-01-01", "--for", "2h"), "no --starts or --ends"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_a_mistake_is_one_sentence(options: tuple[str, ...], words: str) -> None:
    async with service() as there:
        outcome = await there.command("maintenance", "add", "w", *options)
        assert outcome.code == 2
        assert words in outcome.err
        assert outcome.err.count("\n") == 1
        assert await there.world.store.load_windows() == []


async def test_a_trunk_under_maintenance_says_so() -> None:
    async with service() as there:
        out = await there.said(
            "maintenance", "add", "move", "--trunk", "carrier-a",
            "--starts", "2020-01-01", "--ends", "2990-01-01",
        )  # fmt: skip
        assert out.startswith("Maintenance move goes on until 29")
        for command in ("show", "explain"):
            out = await there.said("trunks", command, "carrier-a")
            assert "move, until " in out
            assert "alerts are silent" in out
            assert "maintenance" not in await there.said("trunks", command, "carrier-b")
