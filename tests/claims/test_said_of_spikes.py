"""What pages say of `spikes` and `maze`."""

import pandas as pd
from said import REFERENCE, says

ROTATIONS, REGIMES = "spiking_rotations", "spiking_regimes"


def spikes(run, task, metric):
    return run.of(task, metric, "data")


@says(
    "spikes",
    "co-trained it is one, as it was made to begin as one",
)
def test_generator_is_linear_as_made(run):
    errors = spikes(run, ROTATIONS, "relative_error")
    return errors["lfads"] > 1 and errors["lfads_jslds"] < 0.05


@says(
    "spikes",
    "It shows the planted frequencies on two of three seeds",
    "the third has not found them (frequency error 0.39",
)
def test_two_of_three_show_the_frequencies(run):
    found = run.seeds.loc[ROTATIONS, "data", "lfads_jslds"]
    null = run.seeds.loc[(ROTATIONS, "data", "lfads_jslds", "frequency_error_null")].max()
    errors = found.loc["frequency_error"]
    return (errors < null).sum() == 2 and round(errors.max(), 2) == 0.39


@says(
    "spikes",
    "`rslds` shows them on all three, and has the nearest planes",
)
def test_rslds_shows_all(run):
    found = run.seeds.loc[ROTATIONS, "data", "rslds"]
    null = run.seeds.loc[(ROTATIONS, "data", "rslds", "frequency_error_null")]
    nearest = spikes(run, ROTATIONS, "plane_angle").idxmin() == "rslds"
    return (found.loc["frequency_error"] < null).all() and nearest


@says(
    "spikes",
    "Planes by chance: 62° for the mean of three",
)
def test_planes_by_chance(run):
    null = run.seeds.loc[(ROTATIONS, "data", "lfads_jslds", "plane_angle_null")]
    return null.round().eq(62).all()


@says(
    "spikes",
    "`frequency_error_null` what as many pairs as the model has, five at most, would at random frequencies",
)
def test_chance_frequency(run):
    null = run.seeds.loc[(ROTATIONS, "data", "lfads_jslds", "frequency_error_null")]
    return null.round(3).eq(0.145).all()


@says(
    "spikes",
    "`rslds` finds both regimes, and tells rates best",
)
def test_rslds_finds_both_regimes_and_tells_rates_best(run):
    floor = run(REGIMES, "rslds", "regime_error_single", "data")
    worst = run.seeds.loc[(REGIMES, "data", "rslds", "regime_error")].max()
    return worst < floor / 2 and spikes(run, REGIMES, "rate_r2").idxmax() == "rslds"


@says(
    "spikes",
    "has learned both too, and its Jacobians at the states show them",
)
def test_jacobians_show_both(run):
    floor = run(REGIMES, "lfads", "regime_error_single", "data")
    return run.seeds.loc[(REGIMES, "data", "lfads_at_states", "regime_error")].max() < floor / 2


@says(
    "spikes",
    "The single systems do not: an affine generator stands near the floor, and neither start of E finds",
)
def test_single_systems_do_not(run):
    errors = run.seeds.xs((REGIMES, "data", "regime_error"), level=("task", "network", "metric"))
    floor = run(REGIMES, "lds", "regime_error_single", "data")
    singles = errors.loc[["lfads_affine", "lds", "lfads_jslds", "lfads_jslds_identity"]]
    return (singles >= floor).all(axis=None) and errors.loc["lfads_affine"].max() < 1.2 * floor


@says(
    "spikes",
    "from tanh∘tanh the fit itself is poor",
)
def test_identity_fits_poorly(run):
    rates = spikes(run, REGIMES, "rate_r2")
    return rates["lfads_jslds_identity"] < 0.5 * rates.drop("lfads_jslds_identity").min()


@says(
    "spikes",
    "Rates are told nearly as well by a single linear system",
)
def test_rates_do_not_tell(run):
    rates = spikes(run, REGIMES, "rate_r2")
    return min(rates["lds"], rates["lfads_affine"]) > 0.9 * rates["rslds"]


@says(
    "spikes",
    "`single_system_spread` is 1e-4",
)
def test_spread_is_small(run):
    found = run.seeds.loc[(ROTATIONS, "data", "lfads_jslds", "single_system_spread")]
    return found.round(4).eq(1e-4).all()


@says(
    "maze",
    "a Poisson LDS tells held-out units as well as LFADS does, which learns from a fifth fewer; `rslds`,",
    "which may have one, two or four modes, has one system on all three seeds",
)
def test_few_trials(run):
    bits = spikes(run, "mc_maze", "co_bits_per_spike")
    spread = run.seeds.loc[("mc_maze", "data", "rslds", "single_system_spread")]
    assert (
        spread.max() < 1e-12 < run.seeds.loc[("mc_maze", "data", "lfads_jslds", "single_system_spread")].min()
    )
    return bits["lds"] > 0.99 * bits["lfads"] and abs(bits["rslds"] / bits["lds"] - 1) < 0.01


@says(
    "spikes",
    "how many of the seeds have a value where not all do: on the others `lfads` has no linear systems",
)
def test_some_generators_have_no_system(run):
    values = pd.read_csv(REFERENCE / "spikes" / "values.csv")
    values = values[(values.task == REGIMES) & (values.metric == "regime_error") & values.value.isna()]
    found = set(zip(values.model, values.seed, values.reason, strict=True))
    none = "the model has no linear systems"
    return {one for one in found if one[2] == none} == {("lfads", 1, none), ("lfads", 2, none)}


@says("spikes", "of the mean (LFADS-JSLDS has nearer ones on two of three seeds)")
def test_nearest_planes_by_seed(run):
    planes = run.seeds.xs(("spiking_rotations", "plane_angle"), level=("task", "metric")).droplevel("network")
    return (planes.loc["lfads_jslds"] < planes.loc["rslds"]).sum() == 2


@says("spikes", "`lds`, which such a generator could be, tells held-out units better there")
def test_the_affine_control_is_not_at_its_end(run):
    told = run.seeds.xs(("spiking_rotations", "co_bits_per_spike"), level=("task", "metric")).droplevel(
        "network"
    )
    return (told.loc["lds"] > told.loc["lfads_affine"]).all()
