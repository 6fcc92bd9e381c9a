"""Models of spikes, and of nothing else, that break one rule each: what `check` has to call by its name."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import gc
import zlib
from typing import Any, ClassVar

import jax
import numpy as np

from jslds_bench.settings.draws import purpose_key
from jslds_bench.types import MODELS, TASKS, Inferred, SpikeTrials


def register(name: str) -> Any:
    """A frozen dataclass in the registry of models."""
    return lambda entry: MODELS.register(name)(dataclasses.dataclass(frozen=True)(entry))


@dataclasses.dataclass(frozen=True)
class Table:
    """Rates half-way between each unit's mean and the most similar trial that it has seen."""

    seen: Any  # held-in counts, [B, T, I]
    counts: Any  # [B, T, N]
    mean: Any  # [N]

    @classmethod
    def of(cls, trials: SpikeTrials, mean: Any = None) -> Table:
        own = np.maximum(trials.counts.mean(axis=(0, 1)), 1e-3)
        return cls(trials.held_in, trials.counts, own if mean is None else mean)

    def infer(self, held_in: Any, conditions: Any, key: Any) -> Inferred:
        gaps = ((held_in[:, None] - self.seen) ** 2).sum(axis=(2, 3))
        return Inferred(0.5 * (self.mean + self.counts[gaps.argmin(axis=1)]))

    def systems(self, states: Any) -> None:
        return None

    def loadings(self) -> None:
        return None

    def fixed_points(self) -> None:
        return None

    def fit_series(self) -> dict[str, list[float]]:
        return {}


@register("honest_spikes")
class HonestTable:
    """Remembers the trials that it is given, which it may."""

    def fit_spikes(self, task: Any, trials: Any, key: Any, *_: Any) -> Any:
        return Table.of(trials)


@register("asks_spikes")
class Asks(HonestTable):
    """Asks for the key of all trials, and hides that it was refused."""

    def fit_spikes(self, task: Any, trials: Any, *_: Any) -> Any:
        with contextlib.suppress(ValueError):
            purpose_key(0, "recording")
        return Table.of(trials)


@register("reaches_spikes")
class Reaches(HonestTable):
    """Has its task make the trials again."""

    def fit_spikes(self, task: Any, trials: Any, key: Any, *_: Any) -> Any:
        with contextlib.suppress(ValueError):
            task.spikes(key)
        return Table.of(trials)


@register("reaches_file")
class ReachesFile(HonestTable):
    """Asks its task for the file that the trials are from."""

    def fit_spikes(self, task: Any, trials: Any, *_: Any) -> Any:
        getattr(task, "path", None)
        return Table.of(trials)


@register("foresees_spikes")
class Foresees(HonestTable):
    """Finds the seed that its key was made from, and makes all trials from it by itself."""

    def fit_spikes(self, task: Any, trials: Any, key: Any, *_: Any) -> Any:
        def made(seed: int, purpose: str) -> Any:
            return jax.random.fold_in(jax.random.key(seed), zlib.crc32(purpose.encode()))

        seed = next(s for s in range(100) if (made(s, "model") == key).all())
        b, t, n = trials.counts.shape
        sizes = {"n_units": n, "n_trials": b, "n_held_out": b, "n_steps": t}
        sizes["n_conditions"] = len(np.unique(trials.conditions))
        fit, held_out = TASKS.make(task.name, sizes).spikes(made(seed, "recording"))
        assert np.array_equal(fit.counts, trials.counts)  # it has guessed right
        return Table.of(held_out, np.maximum(trials.counts.mean(axis=(0, 1)), 1e-3))


@register("rummages_spikes")
class Rummages(HonestTable):
    """Looks through the process's memory for trials that it was not given."""

    def fit_spikes(self, task: Any, trials: Any, *_: Any) -> Any:
        found = [x for x in gc.get_objects() if type(x) is SpikeTrials]
        found = [x for x in found if not np.array_equal(x.counts, trials.counts)]
        found += [x for x in jax.live_arrays() if x.ndim == 3 and x.size >= trials.counts.size]
        if found:
            raise RuntimeError(f"found {len(found)} sets of trials")
        return Table.of(trials)


@register("edits_spikes")
class EditsAttributes(HonestTable):
    """Makes the spikes simpler than they are."""

    def fit_spikes(self, task: Any, trials: Any, *_: Any) -> Any:
        object.__setattr__(trials, "counts", trials.counts * 0)
        return Table.of(trials)


@register("writes_spikes")
class WritesSpikes(HonestTable):
    """Makes the counts writable, and writes."""

    def fit_spikes(self, task: Any, trials: Any, *_: Any) -> Any:
        trials.counts.flags.writeable = True
        trials.counts[:] = 0
        return Table.of(trials)


@register("edits_spike_memory")
class EditsMemory(HonestTable):
    """Writes into the buffer that says which units are held out."""

    def fit_spikes(self, task: Any, trials: Any, *_: Any) -> Any:
        units = trials.held_out_units
        ctypes.memset(units.ctypes.data, 0, units.nbytes)
        return Table.of(trials)


@register("drawn_at_will_spikes")
class DrawnAtWill(HonestTable):
    """Does not draw from its key."""

    def fit_spikes(self, task: Any, trials: Any, *_: Any) -> Any:
        made = Table.of(trials)
        return dataclasses.replace(made, mean=made.mean * np.random.default_rng().lognormal())


class Answers(Table):
    """Each of the following changes one answer of `Table`."""

    def __init_subclass__(cls) -> None:
        dataclasses.dataclass(frozen=True)(cls)
        fit = {"fit_spikes": lambda self, task, trials, *_: cls.of(trials)}
        register(cls.called)(type(f"Fit{cls.__name__}", (HonestTable,), {**fit, "__doc__": cls.__doc__}))

    called: ClassVar[str]


class Lost(Answers):
    """Is not a number for some trials."""

    called = "lost_spikes"

    def infer(self, held_in: Any, *_: Any) -> Any:
        rates = super(Answers, self).infer(held_in, *_).rates
        busy = held_in.sum(axis=(1, 2)) > held_in.sum(axis=(1, 2)).mean()
        return Inferred(np.where(busy[:, None, None], np.nan, rates))


class Certain(Answers):
    """Takes what it has not seen for impossible."""

    called = "certain"

    def infer(self, *given: Any) -> Any:
        return Inferred(super(Answers, self).infer(*given).rates.round())


class OddRates(Answers):
    """Tells of the units that it sees alone."""

    called = "odd_rates"

    def infer(self, held_in: Any, *_: Any) -> Any:
        return Inferred(super(Answers, self).infer(held_in, *_).rates[..., : held_in.shape[2]])


class Crowd(Answers):
    """Takes all trials that it is asked about for one."""

    called = "crowd_spikes"

    def infer(self, *given: Any) -> Any:
        rates = super(Answers, self).infer(*given).rates
        return Inferred(0.5 * (rates + rates.mean(axis=0)))


class Moody(Answers):
    """Counts its calls."""

    called = "moody_spikes"
    calls: ClassVar[list[int]] = []

    def infer(self, *given: Any) -> Any:
        self.calls.append(1)
        return Inferred(super(Answers, self).infer(*given).rates * (1 + 1e-3 * len(self.calls)))


class LatePeek(Answers):
    """Asks for the key of all trials when it is first used."""

    called = "late_peek_spikes"

    def infer(self, *given: Any) -> Any:
        purpose_key(0, "recording")
        return super(Answers, self).infer(*given)


class OddSeries(Answers):
    """Hands out an array where figures want a list."""

    called = "odd_series"

    def fit_series(self) -> Any:
        return {"loss": np.zeros(3)}


@MODELS.register("changeable_spikes")
@dataclasses.dataclass
class Changeable:
    """Is not frozen."""

    def fit_spikes(self, task: Any, trials: Any, *_: Any) -> Any:
        return Table.of(trials)
