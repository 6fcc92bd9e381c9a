"""What the page says in words of what leads, and of what was scored."""

from __future__ import annotations

import dataclasses
import re

from places import measured

from jslds_bench.report.data.run import load_data, run_data
from jslds_bench.report.facts import facts, verdict


def test_the_verdict_names_the_leader_and_what_comes_next(report):
    data = load_data(report.parent)
    first, second = verdict(data)
    assert len(data.networks_of("nbit_memory")) > 1
    for network in data.networks_of("nbit_memory"):
        best = min(
            (key for key in data.keys("nbit_memory")
             if key[1] == network and data.summary(key, "relative_error").complete),
            key=lambda key: data.summary(key, "relative_error").mean,
        )  # fmt: skip
        assert re.search(rf"nbit_memory on {network} \([^)]*\)[^,]* that of {best[2]}\b", first)
    assert re.search(r"^Next of other methods is .* times that .*behind on \d of 3 seeds", second)


def test_a_verdict_of_many_networks_counts_and_sets_no_error_beside_that_of_another(make):
    """One network on which everything errs little must not name the leader of all."""
    errors = {f"net {i}": {"lds": 0.1 * (i + 1), "slds": 0.2 * (i + 1)} for i in range(4)}
    errors["easy"] = {"lds": 1e-6, "slds": 1e-7}
    records = [
        make(
            "nbit_memory",
            network,
            model,
            s,
            values={"relative_error": measured("relative_error", e, "", "lower")},
        )
        for network, of in errors.items()
        for model, e in of.items()
        for s in (0, 1)
    ]
    assert verdict(run_data(records)) == [
        "The least free-run error is that of lds in 4 of 5 (each a network on a task), of slds in 1.",
        "In 5 of 5 the leader is ahead of the next other method on every seed.",
    ]
    assert (
        verdict(run_data([r for r in records if r.seed == 0]))[1]
        == "One seed tells none of this from chance."
    )
    (only,) = verdict(run_data([r for r in records if r.model == "lds"]))
    assert only == "The least free-run error is that of lds in 5 of 5 (each a network on a task)."


def test_the_description_says_where_few_trials_stand_for_many(make):
    def scored(task, n):
        record = make(task)
        return dataclasses.replace(
            record, detail={**record.detail, "n_scored": 1024, "n_scored_different": n}
        )

    told = {fact.name: fact.text for fact in facts(run_data([scored("match", 51), scored("clicks", 1024)]))}
    assert told["few different trials scored"] == "match (51 of 1,024)"
    told = {fact.name for fact in facts(run_data([scored("clicks", 1024)]))}
    assert "few different trials scored" not in told


def test_the_description_says_which_tasks_score_what_was_fitted_to(make):
    def seen(task, seed, n):
        record = make(task, seed=seed)
        return dataclasses.replace(record, detail={**record.detail, "n_scored": 40, "n_scored_seen": n})

    records = [seen("sines", 0, 40), seen("sines", 1, 40), seen("clicks", 0, 0), seen("match", 0, 34)]
    told = {fact.name: fact.text for fact in facts(run_data(records))}
    assert told["scored trials that fits saw"] == "match (85%), sines (100%)"
    assert "scored trials that fits saw" not in {fact.name for fact in facts(run_data(records[2:3]))}


def test_a_verdict_of_nothing(write_run, make):
    run = write_run([make(status="failed", reason="no luck")])
    assert verdict(load_data(run)) == ["The run holds no result yet that models could be ranked by."]
