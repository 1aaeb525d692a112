from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from unit.http.api_world import running


async def test_each_target_has_series_of_its_numbers_and_all_share_a_histogram() -> None:
    async with running() as world, world.client() as http:
        numbers = world.roster.numbers
        first, second = (world.target("carrier-a", place).index for place in (0, 1))
        for index in (first, second):
            numbers.reset(index)
        for rtt in (0.25, 0.5):
            numbers.answered(first, rtt, 200)
        numbers.lost(second)
        text = (await http.get("/metrics")).text
    families = {each.name: each for each in text_string_to_metric_families(text)}

    def values(name: str) -> dict[str, float]:
        return {
            sample.labels["target"].rpartition(":")[2]: sample.value
            for sample in families[f"trunkpulse_target_{name}"].samples
            if sample.labels["trunk"] == "carrier-a"
        }

    assert values("answers") == {"5061": 2, "5062": 0}
    assert values("losses") == {"5061": 0, "5062": 1}
    assert values("rtt_smoothed_seconds") == {"5061": 0.28125}
    assert values("jitter_seconds") == {"5061": 0.25}
    assert families["trunkpulse_target_answers"].type == "counter"
    whole = {each.name: each.value for each in families["trunkpulse_probe_rtt_seconds"].samples}
    assert whole["trunkpulse_probe_rtt_seconds_count"] == 2
    assert whole["trunkpulse_probe_rtt_seconds_sum"] == 0.75
