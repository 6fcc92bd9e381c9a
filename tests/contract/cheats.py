"""Models that break one rule each, as a plug-in: what `check` has to call by its name."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import gc
import zlib
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.dynamics.rollout import trajectories
from jslds_bench.models.persistence import Persistence, Still
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.suite import Suite
from jslds_bench.types import MODELS, LocalLinear, Trials


def register(name: str) -> Any:
    """A frozen dataclass in the registry of models."""
    return lambda entry: MODELS.register(name)(dataclasses.dataclass(frozen=True)(entry))


@partial(jax.tree_util.register_dataclass, data_fields=["seen", "after"], meta_fields=[])
@dataclasses.dataclass(frozen=True)
class Table:
    """What followed the most similar (u, h) that it has seen."""

    seen: Any
    after: Any

    def init(self, h0: Any, u_star: Any) -> Any:
        return ()

    def step(self, carry: Any, h: Any, u: Any, u_star: Any) -> Any:
        squares = jnp.sum(self.seen**2, axis=1)
        return carry, self.after[jnp.argmin(squares - 2 * self.seen @ jnp.concatenate([u, h]))]

    def local(self, h: Any, u: Any, u_star: Any) -> None:
        return None

    def fixed_points(self, u_star: Any) -> None:
        return None


def table(network: Any, trials: Trials, n: int = 100) -> Table:
    states = trajectories(network, trials.inputs)[:n]
    rows = [x.reshape(-1, x.shape[-1]) for x in (trials.inputs[:n], states[:, :-1], states[:, 1:])]
    return Table(jnp.concatenate(rows[:2], axis=1), jnp.asarray(rows[2]))


@register("honest_table")
class HonestTable(Persistence):
    """Remembers its training trials, which it may."""

    def fit(self, task: Any, network: Any, trials: Any, *_: Any) -> Any:
        return table(network, trials)


@register("asks")
class Asks(Persistence):
    """Asks for the evaluation trials, and hides that it was refused."""

    def fit(self, task: Any, network: Any, trials: Any, *_: Any) -> Any:
        with contextlib.suppress(ValueError):
            trials = ev.draw_trials(task, 0, "evaluation", Suite.n_trials)
        return table(network, trials)


@register("foresees")
class Foresees(Persistence):
    """Finds the seed that its key was made from, and makes the evaluation trials from it by itself."""

    def fit(self, task: Any, network: Any, trials: Any, key: Any, *_: Any) -> Any:
        def made(seed: int, purpose: str) -> Any:
            return jax.random.fold_in(jax.random.key(seed), zlib.crc32(purpose.encode()))

        seed = next(s for s in range(100) if (made(s, "model") == key).all())
        sample = jax.jit(task.sample, static_argnums=1)
        return table(network, sample(made(seed, "evaluation"), Suite.n_trials), Suite.n_trials)


@register("rummages")
class Rummages(Persistence):
    """Looks through the process's memory for trials that it was not given."""

    def fit(self, task: Any, network: Any, trials: Any, *_: Any) -> Any:
        found = [x for x in gc.get_objects() if type(x) is Trials and isinstance(x.inputs, np.ndarray)]
        others = [x for x in found if len(x.inputs) not in (len(trials.inputs), ev.N_FIT_TRIALS)]
        if others:
            raise RuntimeError(f"found {len(others)} sets of trials")
        return Still()


@register("edits_attributes")
class EditsAttributes(Persistence):
    """Makes the network simpler than it is."""

    def fit(self, task: Any, network: Any, *_: Any) -> Any:
        object.__setattr__(network, "h0", network.h0 * 0)
        return Still()


@register("edits_memory")
class EditsMemory(Persistence):
    """Writes into the network's own buffers."""

    def fit(self, task: Any, network: Any, *_: Any) -> Any:
        w = network.params[0].w
        ctypes.memset(w.unsafe_buffer_pointer(), 0, w.nbytes)
        return Still()


@register("writes_trials")
class WritesTrials(Persistence):
    """Makes the training trials writable, and writes."""

    def fit(self, task: Any, network: Any, trials: Any, *_: Any) -> Any:
        trials.inputs.flags.writeable = True
        trials.inputs[:] = 0
        return Still()


class Stays(Still):
    """Each of the following changes one answer of `Still`."""

    def __init_subclass__(cls) -> None:
        jax.tree_util.register_dataclass(cls, data_fields=[], meta_fields=[])
        entry = type(f"Fit{cls.__name__}", (Persistence,), {"fit": lambda *_: cls(), "__doc__": cls.__doc__})
        register(cls.called)(entry)

    called: ClassVar[str]


class Lost(Stays):
    """Is not a number for some inputs."""

    called = "lost"

    def step(self, carry: Any, h: Any, u: Any, u_star: Any) -> Any:
        return carry, jnp.where(u.sum() > 1.5, jnp.nan, h)


class TwoFaced(Stays):
    """Claims another linear system than the one that it steps by."""

    called = "two_faced"

    def local(self, h: Any, u: Any, u_star: Any) -> Any:
        n = h.shape[0]
        return LocalLinear(h, u_star, jnp.eye(n), jnp.zeros((n, u.shape[0])), 0.9 * h)


class Moody(Stays):
    """Counts its calls."""

    called = "moody"
    calls: ClassVar[list[int]] = []

    def step(self, carry: Any, h: Any, u: Any, u_star: Any) -> Any:
        self.calls.append(1)
        return carry, h + 1e-3 * len(self.calls)


class Draws(Stays):
    """Draws a number when it is traced."""

    called = "draws"

    def step(self, carry: Any, h: Any, u: Any, u_star: Any) -> Any:
        return carry, h + (0 if isinstance(h, np.ndarray) else 1e-3 * np.random.default_rng().random())


class CallsBack(Stays):
    """Leaves the compiled program in every step."""

    called = "calls_back"

    def step(self, carry: Any, h: Any, u: Any, u_star: Any) -> Any:
        return carry, jax.pure_callback(lambda x: np.asarray(x), h, h, vmap_method="sequential")


class Unrolled(Stays):
    """A loop of Python in place of a matrix product."""

    called = "unrolled"

    def step(self, carry: Any, h: Any, u: Any, u_star: Any) -> Any:
        for _ in range(1200):
            h = h + 0.0
        return carry, h


class HalfSize(Stays):
    """Steps in half precision."""

    called = "half_size"

    def step(self, carry: Any, h: Any, u: Any, u_star: Any) -> Any:
        return carry, h.astype(jnp.float16)


class OddPoints(Stays):
    """One fixed point, without the axis of points."""

    called = "odd_points"

    def fixed_points(self, u_star: Any) -> Any:
        return jnp.zeros(6)


class LatePeek(Stays):
    """Asks for the evaluation trials when it is first used."""

    called = "late_peek"

    def init(self, h0: Any, u_star: Any) -> Any:
        ev.purpose_key(0, "evaluation")
        return ()


@jax.tree_util.register_pytree_node_class
class Restless(Still):
    """A pytree whose metadata is new each time that it is taken apart."""

    def tree_flatten(self) -> Any:
        return (), object()

    @classmethod
    def tree_unflatten(cls, about: Any, leaves: Any) -> Any:
        return cls()


@register("restless")
class FitRestless(Persistence):
    """Is compiled again on every call."""

    def fit(self, *_: Any) -> Any:
        return Restless()


@register("compiles_in_a_loop")
class CompilesInALoop(Persistence):
    """Makes a program for each step that it looks at."""

    def fit(self, task: Any, network: Any, trials: Any, *_: Any) -> Any:
        for i in range(60):
            jax.jit(lambda x, i=i: x + i)(network.h0)
        return Still()


@register("drawn_at_will")
class DrawnAtWill(Persistence):
    """Does not draw from its key."""

    def fit(self, task: Any, network: Any, trials: Any, *_: Any) -> Any:
        made = table(network, trials)
        noise = np.random.default_rng().normal(size=made.after.shape)
        return dataclasses.replace(made, after=made.after + jnp.asarray(noise, jnp.float32))


@register("long_winded")
class LongWinded(Persistence):
    """Gives reasons of two lines."""

    def unsupported(self, task: Any, network: Any) -> str | None:
        return "not this one\nnor any other"


@dataclasses.dataclass
class Changeable(Persistence.__mro__[1]):  # a dataclass that is not frozen cannot extend one that is
    def unsupported(self, task: Any, network: Any) -> None:
        return None


MODELS.register("changeable")(Changeable)
