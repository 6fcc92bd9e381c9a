"""Batches of trials: how they are drawn, and the loss and gradient of a large one, a part at a time."""

from __future__ import annotations

import dataclasses
import weakref
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jslds_bench.dynamics.compiled import on_one_core
from jslds_bench.types.core import Trials

Terms = dict[str, jax.Array]
Loss = Callable[..., tuple[jax.Array, Terms]]
"""(parameters, data, what is given besides, if anything) → total and terms."""
AT_ONCE = 64
"""Trials of a part: fewer numbers are on their way from one operation to the next, and the tape of a part is
a fraction of the whole's. Loss and gradient of the paper's batches of 256 take less time so on one core, and
no less on two (docs/speed.md)."""


class Noisy(NamedTuple):
    """Trials, and what is added to the network's state after each of their steps."""

    trials: Trials
    noise: Float[Array, "B T N"]


@dataclasses.dataclass(frozen=True)
class NoisyTrials:
    """The trials of `sample` with ε ~ N(0, `noise`²), [B, T, N], for each of `n_state` units N."""

    sample: Callable[[PRNGKeyArray, int], Trials]
    n_state: int
    noise: float

    def __call__(self, key: PRNGKeyArray, size: int) -> Noisy:
        trials = self.sample(key, size)
        shape = (*trials.inputs.shape[:2], self.n_state)
        return Noisy(trials, self.noise * jax.random.normal(jax.random.fold_in(key, _NOISE), shape))


Sampler = Callable[[PRNGKeyArray, int], Trials | Noisy]
_NOISE = zlib.crc32(b"process noise")  # part k of a split key is fold_in(k): no task splits its key so far


@dataclasses.dataclass(frozen=True)
class Fresh:
    """Fresh trials, as `training.train_batches` asks for them.

    Equal, and compiled for once, where size and `sample` are: a bound method equals that of the same object.
    """

    sample: Sampler
    size: int

    def __call__(self, key: PRNGKeyArray, step: jax.Array, given: Any = None) -> Trials | Noisy:
        return self.sample(key, self.size)


def mean_over_trials(loss: Loss) -> Loss:
    """The loss, said to be a mean over trials of a value of each: it may be computed in parts."""
    _MEANS.add(loss)
    return loss


_MEANS: weakref.WeakSet[Loss] = (
    weakref.WeakSet()
)  # not marks on them, which a function that wraps one takes over


def value_and_grad(loss: Loss) -> Callable[..., tuple[tuple[jax.Array, Terms], Any]]:
    """(parameters, data, …) → total and terms, and the gradient of the total by the parameters.

    Of more than `AT_ONCE` trials, if they are a multiple, the mean over as many at a time, where the loss is
    `mean_over_trials` and the process has one core of a CPU.
    """
    whole = jax.value_and_grad(loss, has_aux=True)

    def run(params: Any, data: Any, *besides: Any) -> Any:
        parts = _parts(data) if loss in _MEANS else None
        if parts is None:
            return whole(params, data, *besides)

        def add(sums: Any, part: Any) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, sums, whole(params, _of_part(data, part), *besides)), None

        shapes = jax.eval_shape(lambda: whole(params, data, *besides))
        nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        sums, _ = jax.lax.scan(add, nothing, parts)
        return jax.tree.map(lambda x: x / len(parts[0]), sums)

    return run


def trials_and_noise(data: Trials | Noisy) -> tuple[Trials, Float[Array, "B T N"] | None]:
    """The trials, and their noise, if any."""
    return data if isinstance(data, Noisy) else (data, None)


def _parts(data: Any) -> tuple[Any, ...] | None:
    """Inputs, targets, u* and noise, [parts, `AT_ONCE`, …]; None where the data stay together."""
    if not isinstance(data, Trials | Noisy) or jax.default_backend() != "cpu" or not on_one_core():
        return None
    trials, noise = trials_and_noise(data)
    n_parts, rest = divmod(len(trials.inputs), AT_ONCE)
    if n_parts < 2 or rest:
        return None
    arrays = trials.inputs, trials.targets, trials.u_star, noise
    return tuple(None if x is None else x.reshape(n_parts, AT_ONCE, *x.shape[1:]) for x in arrays)


def _of_part(data: Trials | Noisy, part: Any) -> Trials | Noisy:
    inputs, targets, u_star, noise = part
    trials = trials_and_noise(data)[0]._replace(inputs=inputs, targets=targets, u_star=u_star)
    return trials if noise is None else Noisy(trials, noise)
