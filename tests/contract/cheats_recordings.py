"""Models of recordings, and of nothing else, that break one rule each: what `check` has to call by name."""

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
from jslds_bench.switching.systems import System
from jslds_bench.types import MODELS, TASKS, Explanation, ModePoints, Recording


def register(name: str) -> Any:
    """A frozen dataclass in the registry of models."""
    return lambda entry: MODELS.register(name)(dataclasses.dataclass(frozen=True)(entry))


@dataclasses.dataclass(frozen=True)
class Table:
    """One mode that stands still; it forecasts what followed the most similar observation that it knows."""

    before: Any  # [M, N]
    after: Any  # H steps after each, [M, H, N]

    @classmethod
    def of(cls, y: Any, horizon: int = 25) -> Table:
        steps = np.arange(y.shape[1] - horizon)
        after = np.stack([y[:, t + 1 : t + 1 + horizon] for t in steps], axis=1)
        return cls(y[:, steps].reshape(-1, y.shape[2]), after.reshape(-1, horizon, y.shape[2]))

    def nearest(self, y: Any) -> tuple[Any, Any]:
        """The place of the most similar observation, and how far it is."""
        flat = y.reshape(-1, y.shape[-1])
        gaps = ((flat[:, None] - self.before) ** 2).sum(axis=-1)
        return gaps.argmin(axis=1).reshape(y.shape[:-1]), gaps.min(axis=1).reshape(y.shape[:-1])

    def explain(self, recording: Recording) -> Explanation:
        y = recording.observations
        _, gaps = self.nearest(y)
        return Explanation(-gaps.sum(axis=1), y, np.zeros(y.shape[:2], int), y)

    def forecast(self, states: Any, modes: Any, inputs: Any) -> Any:
        at, _ = self.nearest(states)
        return self.after[at][:, : inputs.shape[1]]

    def mode_points(self) -> ModePoints:
        n = self.before.shape[1]
        return ModePoints(np.zeros((1, n)), np.array([True]), np.ones((1, n), complex))

    def expected(self, states: Any) -> Any:
        return states

    def by_mode(self, x: Any) -> Any:
        return x[None], None

    def iteration(self) -> Any:
        return lambda: None

    def fit_series(self) -> dict[str, list[float]]:
        return {}


@register("honest_recorded")
class HonestTable:
    """Remembers the trials that it is given, which it may."""

    def fit_recording(self, task: Any, recording: Any, key: Any, *_: Any) -> Any:
        return Table.of(recording.observations)


@register("asks_recorded")
class Asks(HonestTable):
    """Asks for the key of all trials, and hides that it was refused."""

    def fit_recording(self, task: Any, recording: Any, *_: Any) -> Any:
        with contextlib.suppress(ValueError):
            purpose_key(0, "recording")
        return Table.of(recording.observations)


@register("reaches_recorded")
class Reaches(HonestTable):
    """Has its task make the trials again."""

    def fit_recording(self, task: Any, recording: Any, key: Any, *_: Any) -> Any:
        with contextlib.suppress(ValueError):
            task.record(key)
        return Table.of(recording.observations)


@register("foresees_recorded")
class Foresees(HonestTable):
    """Finds the seed that its key was made from, and makes all trials from it by itself."""

    def fit_recording(self, task: Any, recording: Any, key: Any, *_: Any) -> Any:
        def made(seed: int, purpose: str) -> Any:
            return jax.random.fold_in(jax.random.key(seed), zlib.crc32(purpose.encode()))

        seed = next(s for s in range(100) if (made(s, "model") == key).all())
        b, t, n = recording.observations.shape
        sizes = {"n_observed": n, "n_trials": b, "n_held_out": b, "n_steps": t}
        fit, held_out = TASKS.make(task.name, sizes).record(made(seed, "recording"))
        assert np.array_equal(fit.observations, recording.observations)  # it has guessed right
        return Table.of(held_out.observations)


@register("rummages_recorded")
class Rummages(HonestTable):
    """Looks through the process's memory for trials that it was not given."""

    def fit_recording(self, task: Any, recording: Any, *_: Any) -> Any:
        y = recording.observations
        found = [x for x in gc.get_objects() if type(x) in (Recording, System)]
        found = [x for x in found if not np.array_equal(x.observations, y)]
        found += [x for x in jax.live_arrays() if x.ndim == 3 and x.size >= y.size]
        if found:
            raise RuntimeError(f"found {len(found)} sets of trials")
        return Table.of(y)


@register("edits_recording")
class EditsAttributes(HonestTable):
    """Makes the recording simpler than it is."""

    def fit_recording(self, task: Any, recording: Any, *_: Any) -> Any:
        object.__setattr__(recording, "observations", recording.observations * 0)
        return Table.of(recording.observations)


@register("writes_recording")
class WritesRecording(HonestTable):
    """Makes the observations writable, and writes."""

    def fit_recording(self, task: Any, recording: Any, *_: Any) -> Any:
        recording.observations.flags.writeable = True
        recording.observations[:] = 0
        return Table.of(recording.observations)


@register("edits_recorded_memory")
class EditsMemory(HonestTable):
    """Writes into the inputs' own buffer."""

    def fit_recording(self, task: Any, recording: Any, *_: Any) -> Any:
        u = recording.inputs
        ctypes.memset(u.ctypes.data, 0, u.nbytes)
        return Table.of(recording.observations)


@register("drawn_at_will_recorded")
class DrawnAtWill(HonestTable):
    """Does not draw from its key."""

    def fit_recording(self, task: Any, recording: Any, *_: Any) -> Any:
        y = recording.observations
        return Table.of(y + 0.01 * np.random.default_rng().normal(size=y.shape))


@register("switches_x64")
class SwitchesX64(HonestTable):
    """Sets an option for everybody."""

    def fit_recording(self, task: Any, recording: Any, *_: Any) -> Any:
        jax.config.update("jax_enable_x64", not jax.config.read("jax_enable_x64"))
        return Table.of(recording.observations)


@register("rounds_products")
class RoundsProducts(HonestTable):
    """Makes everybody's products less exact."""

    def fit_recording(self, task: Any, recording: Any, *_: Any) -> Any:
        jax.config.update("jax_default_matmul_precision", "bfloat16")
        return Table.of(recording.observations)


@register("overtakes")
class Overtakes(HonestTable):
    """Reports more than there is to do."""

    def fit_recording(self, task: Any, recording: Any, key: Any, progress: Any) -> Any:
        progress(2, 1, "faster")
        return Table.of(recording.observations)


class Answers(Table):
    """Each of the following changes one answer of `Table`."""

    def __init_subclass__(cls) -> None:
        dataclasses.dataclass(frozen=True)(cls)
        fit = {"fit_recording": lambda self, task, recording, *_: cls.of(recording.observations)}
        register(cls.called)(type(f"Fit{cls.__name__}", (HonestTable,), {**fit, "__doc__": cls.__doc__}))

    called: ClassVar[str]


class Lost(Answers):
    """Is not a number for some observations."""

    called = "lost_recorded"

    def explain(self, recording: Any) -> Any:
        found = super(Answers, self).explain(recording)
        return found._replace(expected=np.where(found.expected > 2, np.nan, found.expected))


class OddShapes(Answers):
    """Forecasts one step where several were asked for."""

    called = "odd_forecast"

    def forecast(self, states: Any, modes: Any, inputs: Any) -> Any:
        return super(Answers, self).forecast(states, modes, inputs)[:, :1]


class OddModes(Answers):
    """Speaks of a mode that it does not have."""

    called = "odd_modes"

    def explain(self, recording: Any) -> Any:
        found = super(Answers, self).explain(recording)
        return found._replace(modes=found.modes + 1)


class Mute(Answers):
    """Has nothing to say of its fit."""

    called = "mute"
    fit_series = property()


class Crowd(Answers):
    """Takes all trials that it is asked about for one."""

    called = "crowd_recorded"

    def explain(self, recording: Any) -> Any:
        found = super(Answers, self).explain(recording)
        return found._replace(states=0.5 * (found.states + found.states.mean(axis=0)))


class Moody(Answers):
    """Counts its calls."""

    called = "moody_recorded"
    calls: ClassVar[list[int]] = []

    def explain(self, recording: Any) -> Any:
        self.calls.append(1)
        found = super(Answers, self).explain(recording)
        return found._replace(log_likelihood=found.log_likelihood + len(self.calls))


class Iterates(Answers):
    """Goes on with its fit where it is only to be timed."""

    called = "iterates"
    factor: ClassVar[list[float]] = [1.0]

    def iteration(self) -> Any:
        return lambda: self.factor.append(2 * self.factor[-1])

    def forecast(self, *given: Any) -> Any:
        return self.factor[-1] * super(Answers, self).forecast(*given)


class LatePeek(Answers):
    """Asks for the key of all trials when it is first used."""

    called = "late_peek_recorded"

    def explain(self, recording: Any) -> Any:
        purpose_key(0, "recording")
        return super(Answers, self).explain(recording)


@register("late_reach")
class LateReach(HonestTable):
    """Keeps what it was told of its task, to have it make the trials when nobody looks."""

    def fit_recording(self, task: Any, recording: Any, key: Any, *_: Any) -> Any:
        @dataclasses.dataclass(frozen=True)
        class Reaching(Table):
            def explain(self, recording: Any) -> Any:
                with contextlib.suppress(ValueError):
                    task.record(key)
                return super().explain(recording)

        return Reaching.of(recording.observations)


@MODELS.register("changeable_recorded")
@dataclasses.dataclass
class Changeable:
    """Is not frozen."""

    def fit_recording(self, task: Any, recording: Any, *_: Any) -> Any:
        return Table.of(recording.observations)
