"""How many modes, with which ridge: held-out error along a ladder of K, and the fit to all that follows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from jslds_bench.analysis.choice import ROUNDING, WITHIN, least_adequate, least_of_ridges
from jslds_bench.errors import UsageError
from jslds_bench.switching.fitting import DEFAULT_SETTINGS, Fit, FitSettings, fit, refine
from jslds_bench.switching.parameters import Spec
from jslds_bench.types.core import Progress, silent

PATIENCE = 3
"""So many errors in a row that are above the least end the ladder, unless they are above 1.

After two, a network co-trained on context kept K = 1 (0.134, then 0.168 and 0.136), where K = 8 has 0.024.
"""


class Curve(NamedTuple):
    """Held-out error against the number of modes.

    Attributes:
        n_modes: the K tried, rising, [C].
        error: what the choice goes by; inf where a prediction left the finite numbers, [C].
        chosen: index into the curve.
        ridge: the ridge that has this error, of those that were tried at each K, [C].
    """

    n_modes: Int[Any, " C"]
    error: Float[Any, " C"]
    chosen: int
    ridge: Float[Any, " C"]

    def series(self) -> dict[str, list[float]]:
        """As a record keeps it."""
        return {
            "n_modes_tried": self.n_modes.tolist(),
            "n_modes_error": self.error.tolist(),
            "n_modes_chosen": [self.n_modes[self.chosen].item()],
            "n_modes_ridge": self.ridge.tolist(),
        }


def select_modes(
    spec: Spec,
    n_modes: Sequence[int],
    part: tuple[Any, Any],
    whole: tuple[Any, Any],
    error: Callable[[Fit], float],
    *,
    key: PRNGKeyArray,
    ridges: Sequence[float] | None = None,
    error_of_whole: Callable[[Fit], float] | None = None,
    within: float = WITHIN,
    settings: FitSettings = DEFAULT_SETTINGS,
    progress: Progress = silent,
) -> tuple[Fit, Curve]:
    """Every K fitted to `part` and scored by `error`; the chosen fit goes on with `whole` from there.

    With each K all `ridges` are tried (None: that of `spec`), and the fit of least error is the K's. K rises
    until `PATIENCE` of them in a row, no better, have followed the best. One that diverged, or all but did
    (its error is above that of the mean), says nothing of larger ones and does not count. Chosen is the least
    K whose error is within 5 % (`within`) of the best. More trials raise the likelihood of the next step;
    where the free run is lost by that, as one mode that leads trials away can do, the fit to the part stays.

    Args:
        part, whole: (observations, inputs or None); the part leaves out the trials that `error` is of.
        error: of a fit on trials that it has not seen, as the model will be scored.
        error_of_whole: of a fit on the whole; where it is worse after the fit to all than before, by the
            same factor, that fit is not taken. None: it always is.
        within: as in `least_adequate`.
    """
    ladder, of_each = sorted(n_modes), [spec.ridge] if ridges is None else list(ridges)
    if not ladder or not of_each:
        raise UsageError(f"n_modes is {ladder} and ridge {of_each}, expected at least one of each to try")
    errors: list[float] = []
    fits: list[Fit] = []
    n_parts = len(ladder) * len(of_each) + 1
    for k in ladder:
        tried: list[Fit] = []
        for ridge in of_each:
            which = f"K = {k}" + (f", ridge {ridge:g}" if len(of_each) > 1 else "")
            one = dataclasses.replace(spec, n_modes=k, ridge=ridge)
            report = _part_of(progress, len(fits) * len(of_each) + len(tried), n_parts, which)
            tried.append(fit(one, *part, key=key, settings=settings, progress=report))
        of_tried = [error(fitted) for fitted in tried]
        least = least_of_ridges(of_tried, of_each)
        errors.append(of_tried[least])
        fits.append(tried[least])
        if _enough(errors):
            break
    chosen = least_adequate(errors, within)

    last = _part_of(progress, n_parts - 1, n_parts, "all trials")
    fitted = refine(fits[chosen], *whole, settings=settings, progress=last)
    kept = fits[chosen]
    if error_of_whole is not None and error_of_whole(fitted) > within * error_of_whole(kept) + ROUNDING:
        lost = "fitted to all trials its free run followed them worse: the fit to three quarters is kept"
        fitted = dataclasses.replace(kept, notes=(*kept.notes, lost))
    of_least = np.array([one.spec.ridge for one in fits])
    return fitted, Curve(np.array(ladder[: len(errors)]), np.array(errors), chosen, of_least)


def _part_of(progress: Progress, part: int, n_parts: int, which: str) -> Progress:
    """The progress of one of several equal parts."""
    return lambda done, total, text: progress(part * total + done, n_parts * total, f"{which}, {text}")


def _enough(errors: Sequence[float]) -> bool:
    """Whether the last of the errors have not diverged, and are no better than one before them."""
    before, after = errors[:-PATIENCE], errors[-PATIENCE:]
    return bool(before) and max(after) <= 1 and min(after) > min(before)
