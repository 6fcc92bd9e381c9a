"""What pages say of `modes` and `lambda_e`."""

import numpy as np
from said import CONTEXT, MEMORY, says

SEVERAL = ("slds_2", "slds_4", "slds_8", "slds_8_starts")


@says(
    "modes",
    "Every K above 1 has a larger error than K = 1 free-running, and even one step ahead",
)
def test_one_mode_is_the_best_of_a_chain(run):
    free, ahead = (
        [run(CONTEXT, k, metric) for k in ("slds", *SEVERAL)]
        for metric in ("relative_error", "relative_error_one_step")
    )
    best_free, best_ahead = free[0] < min(free[1:]), 0.99 * ahead[0] < min(ahead[1:])
    return best_free and best_ahead and free[0] == run(CONTEXT, "slds_1")


@says(
    "modes",
    "run of the likeliest of five is worse than that of one",
)
def test_starts_do_not_help(run):
    return run(CONTEXT, "slds_8_starts") > run(CONTEXT, "slds_8")


@says(
    "modes",
    "it would have less than half of the error of one system",
    "with as many modes it comes near that oracle",
)
def test_modes_are_worth_half(run):
    known = [run(CONTEXT, k, "relative_error_oracle") for k in ("slds_8", "slds_8_starts")]
    return max(known) < run(CONTEXT, "slds_1") / 2 and run(CONTEXT, "rslds_8") < 1.1 * known[0]


@says(
    "lambda_e",
    "the error is least; with a large λ_e the points slow down and the error grows to that",
)
def test_error_grows_with_lambda(run):
    weights = [f"jslds_e{w}" for w in ("0", "1", "100", "1e4", "1e6")]
    for task in (MEMORY, CONTEXT):
        errors = run.of(task)
        if not (np.diff(errors[weights]) > 0).all() or not errors["jslds_e1e6"] > errors["fixed_points"]:
            return False
        speeds = run.of(task, "fixed_point_speed")
        if not speeds["jslds_e0"] > 5 * speeds["jslds_e100"] > 25 * speeds["jslds_e1e4"]:
            return False
    return True
