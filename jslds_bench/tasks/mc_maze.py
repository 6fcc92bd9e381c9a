"""Motor cortex of a monkey that reaches round the barriers of a maze (Churchland et al., 2010)."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from jslds_bench import nwb
from jslds_bench.entries.registry import TASKS
from jslds_bench.errors import UsageError
from jslds_bench.files import open_file
from jslds_bench.types.spikes import SpikeTrials

WHERE = (
    "it reads one NWB file of MC_Maze, which you get yourself: `dandi download DANDI:000140` (small; 000139 "
    "medium, 000138 large, 000128 full), or https://dandiarchive.org/dandiset/000140; then `--data PATH` on "
    "the command line, or `path = …` in the suite. Nothing is downloaded for you"
)


@TASKS.register("mc_maze")
@dataclasses.dataclass(frozen=True)
class MCMaze:
    """Spikes of a monkey's motor cortex as it reaches through mazes, from an NWB file that you name.

    Trials about the onset of movement, some of them held out, as many of each condition as its share; some
    units held out: those that the file marks, or a share. Units without a spike in the trials to fit to are
    left out, and so are trials without the event or with a window that leaves the recording.

    Reference: Pei et al. (2021), Neural Latents Benchmark; data of Churchland and Kaufman, DANDI 000128.

    Attributes:
        path: the NWB file: train or test split of DANDI 000128, 000138, 000139 or 000140 (in a suite:
            relative to the suite's folder).
        bin_seconds: the width of a bin.
        before, after: the window about the event, seconds; its right end is exclusive.
        align: the column of the trials table with the event's time.
        lag_seconds: how long after a bin's left edge the hand's velocity is taken (0.1 for the full set).
        held_out_units: the share of units that are held out where the file marks none.
        held_out_trials: the share of trials that are held out.
        n_latent: latent dimensions of linear models.
    """

    path: str = ""
    bin_seconds: float = 0.02
    before: float = 0.25
    after: float = 0.45
    align: str = "move_onset_time"
    lag_seconds: float = 0.12
    held_out_units: float = 0.25
    held_out_trials: float = 0.25
    n_latent: int = 10

    origin: ClassVar[str] = "real"
    SMOKE: ClassVar[dict[str, Any]] = {}

    def __post_init__(self) -> None:
        nwb.window(self.before, self.after, self.bin_seconds)
        for name in ("held_out_units", "held_out_trials"):
            if not 0 < getattr(self, name) < 1:
                raise UsageError(f"mc_maze needs 0 < {name} < 1, a share, got {getattr(self, name):g}")
        if self.n_latent < 1 or abs(self.lag_seconds) > 10:
            raise UsageError(
                f"mc_maze needs n_latent ≥ 1 and lag_seconds within ±10, got {self.n_latent} "
                f"and {self.lag_seconds:g}"
            )

    def spikes(self, key: PRNGKeyArray) -> tuple[SpikeTrials, SpikeTrials]:
        """Trials to fit to and held-out trials; the key parts them, and draws the units to hold out.

        Raises:
            UsageError: no file, one that cannot be read or lacks something, too few trials, units or spikes.
        """
        session = nwb.read_session(self._file())
        cut = nwb.cut(
            session, self.align, nwb.window(self.before, self.after, self.bin_seconds), self.lag_seconds
        )
        trial_key, offset_key, unit_key = jax.random.split(key, 3)
        noise = np.asarray(jax.random.uniform(trial_key, (len(cut.kept),)))
        offset = float(jax.random.uniform(offset_key))
        unseen = held_out_share(noise, offset, cut.conditions, self.held_out_trials)
        if not unseen.any():
            raise UsageError(
                f"{self.path}: {len(unseen)} trials are too few to hold out {self.held_out_trials:g} of them"
            )
        heard = cut.counts[~unseen].any(axis=(0, 1))
        order = np.asarray(jax.random.permutation(unit_key, len(heard)))
        held_out = self._held_out(session.held_out, heard, order)[heard]

        def part(of: Bool[Any, " B"]) -> SpikeTrials:
            return SpikeTrials(
                counts=cut.counts[of][..., heard],
                bin_seconds=self.bin_seconds,
                held_out_units=held_out,
                conditions=None if cut.conditions is None else cut.conditions[of],
                velocity=None if cut.velocity is None else cut.velocity[of],
                start=-self.before,
            )

        return part(~unseen), part(unseen)

    def sources(self) -> dict[str, Any]:
        """The hash of the file, so that values of a changed file are not mistaken for this one's."""
        path = self._file()
        try:
            about = os.stat(path)
            return {"sha256": _sha256(path, about.st_mtime_ns, about.st_size)}
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror or error}") from error

    def _file(self) -> str:
        if not self.path:
            raise UsageError(f"mc_maze has no file: {WHERE}")
        return self.path

    def _held_out(
        self, marked: Bool[Any, " N"], heard: Bool[Any, " N"], order: Int[Any, " N"]
    ) -> Bool[Any, " N"]:
        """The heard units to hold out: those marked, or where there are none the first in `order`."""
        marked, n_units = marked & heard, int(heard.sum())
        if n_units < 2 or marked.sum() == n_units:
            raise UsageError(
                f"{self.path}: {n_units} units fire in the trials to fit to, {marked.sum()} of them marked "
                "as held out: expected at least one to see and one to hold out"
            )
        if marked.any():
            return marked
        n_held_out = min(max(1, round(self.held_out_units * n_units)), n_units - 1)
        held_out = np.zeros(len(heard), bool)
        held_out[order[heard[order]][:n_held_out]] = True
        return held_out


def held_out_share(
    noise: Float[Any, " B"], offset: float, conditions: Int[Any, " B"] | None, share: float
) -> Bool[Any, " B"]:
    """Which trials are held out: of n of one condition ⌊share·n⌋ or ⌈share·n⌉, but never all n.

    Systematic sampling of the trials in order of condition and, within one, of `noise`: that at place i is
    drawn where ⌊share·(i + 1) + offset⌋ > ⌊share·i + offset⌋, with `offset` uniform in [0, 1).

    Reference: Madow and Madow (1944).
    """
    n = len(noise)
    labels = np.zeros(n, int) if conditions is None else np.asarray(conditions)
    order = np.lexsort((noise, labels))
    drawn = np.zeros(n, bool)
    drawn[order] = np.diff(np.floor(share * np.arange(n + 1) + offset)) > 0
    for label in np.unique(labels):
        if drawn[labels == label].all():
            drawn[order[labels[order] == label][0]] = False
    return drawn


@functools.lru_cache(maxsize=8)
def _sha256(path: str, modified: int, size: int) -> str:
    """Of the content; `modified` and `size` tell a file that was written again from the one before."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
