"""The caps of [pacing]: how they are read, and advice on those that are too small."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkpulse.config import load_config
from trunkpulse.config.advice import Advice, advise
from trunkpulse.config.settings import Config, InstanceSettings, PacingSettings
from trunkpulse.model import KeepalivePolicy, Trunk

POLICY = KeepalivePolicy(interval_seconds=30.0, confirm_interval_seconds=5.0)


def trunks(count: int, carrier: str | None, policy: KeepalivePolicy = POLICY) -> list[Trunk]:
    return [
        Trunk(
            id=f"{carrier}-{number}",
            name="t",
            targets=(f"sip:127.0.0.1:{5000 + number}",),
            carrier=carrier,
            keepalive=policy,
        )
        for number in range(count)
    ]


def advice_on(
    configured: list[Trunk], total: float | None = None, **carriers: float
) -> list[Advice]:
    pacing = PacingSettings(probes_per_second=total, carriers=tuple(carriers.items()))
    config = Config(instance=InstanceSettings(id="edge"), pacing=pacing, trunks=tuple(configured))
    return [each for each in advise(config) if each.code.startswith("cap_")]


def test_caps_are_read(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(
        '[pacing]\nprobes_per_second = 20_000\n[pacing.carriers]\nacme = 50\n"Big & Co" = 0.5\n'
    )
    assert load_config(path, {}).pacing == PacingSettings(
        probes_per_second=20_000.0, carriers=(("acme", 50.0), ("Big & Co", 0.5))
    )


def test_there_are_no_caps_by_default(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text("")
    assert load_config(path, {}).pacing == PacingSettings()


def test_caps_that_leave_room_for_everything_get_no_advice() -> None:
    assert advice_on(trunks(100, "acme"), total=20.0, acme=20.0) == []


def test_a_carrier_cap_below_what_its_intervals_need_is_a_warning() -> None:
    (found,) = advice_on(trunks(300, "acme") + trunks(300, "other"), acme=5.0)
    assert (found.code, found.severity) == ("cap_below_need", "warning")
    assert found.where == 'pacing.carriers."acme"'
    assert '300 targets of carrier "acme" need 10 probes a second' in found.message
    assert "may have 5, so each is probed every 60 s" in found.message


def test_a_total_cap_below_what_all_need_is_a_warning() -> None:
    (found,) = advice_on(trunks(300, "acme") + trunks(300, None), total=10.0)
    assert (found.code, found.where) == ("cap_below_need", "pacing.probes_per_second")
    assert "600 targets of all trunks need 20 probes a second" in found.message


def test_a_carrier_that_is_capped_asks_the_total_for_no_more_than_its_cap() -> None:
    configured = trunks(300, "acme") + trunks(600, "other")  # 10 and 20 probes a second
    assert {each.where: each.code for each in advice_on(configured, total=25.0, acme=3.0)} == {
        "pacing.probes_per_second": "cap_delays_confirmation",
        'pacing.carriers."acme"': "cap_below_need",
    }
    confirming, _ = advice_on(configured, total=25.0, acme=3.0)
    assert "needs 123 probes a second and may have 25" in confirming.message
    assert "attempts are farther apart" in confirming.message
    _, total = sorted(advice_on(configured, total=20.0, acme=3.0), key=lambda each: each.where)
    assert total.where == "pacing.probes_per_second"
    assert "need 23 probes a second at their intervals and the caps of carriers" in total.message
    assert "may have 20, so they are probed more seldom than that" in total.message


def test_a_cap_that_is_enough_until_everything_fails_is_information() -> None:
    (found,) = advice_on(trunks(300, "acme"), acme=20.0)
    assert (found.code, found.severity) == ("cap_delays_confirmation", "info")
    assert "needs 60 probes a second and may have 20, so attempts are 15 s apart" in found.message


def test_the_minimum_interval_of_a_profile_is_what_a_trunk_needs_at_most() -> None:
    slow = KeepalivePolicy(
        interval_seconds=30.0, confirm_interval_seconds=5.0, minimum_interval_seconds=30.0
    )
    assert advice_on(trunks(300, "acme", slow), acme=10.0) == []


def test_trunks_that_are_not_probed_need_nothing() -> None:
    silent = KeepalivePolicy(enabled=False)
    assert advice_on(trunks(300, "acme", silent), acme=1.0) == []


def test_a_cap_of_a_carrier_that_no_trunk_has_is_a_warning() -> None:
    (found,) = advice_on(trunks(1, "acme"), amce=50.0)
    assert found.code == "cap_of_nobody"
    assert 'no trunk has the carrier "amce" (did you mean "acme"?)' in found.message


@pytest.mark.parametrize("total", [None, 1000.0])
def test_advice_is_one_sentence_with_a_remedy(total: float | None) -> None:
    for each in advice_on(trunks(300, "acme"), total=total, acme=5.0, nobody=5.0):
        assert each.message.endswith(".")
        assert ". " not in each.message
        assert "; " in each.message
