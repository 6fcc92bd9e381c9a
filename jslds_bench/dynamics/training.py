"""The one training loop, the losses of eq. 9, and the two recipes.

Every trainer draws fresh trials on the device at each step and runs whole chunks of steps inside one
compiled scan; between chunks the host looks at the loss, reports progress and stops on divergence.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from jslds_bench.dynamics.batches import (
    Fresh,
    Loss,
    Noisy,
    Sampler,
    Terms,
    mean_over_trials,
    trials_and_noise,
    value_and_grad,
)
from jslds_bench.dynamics.compiled import compiled
from jslds_bench.dynamics.jslds import co_errors
from jslds_bench.dynamics.rollout import rollout
from jslds_bench.errors import Diverged, UsageError
from jslds_bench.types.core import Cell, CellParams, ExpansionParams, Progress, Readout, Trials, silent
from jslds_bench.types.networks import LossWeights, Setup

if TYPE_CHECKING:
    from optax import GradientTransformation

CHUNK = 100
RecipeName = Literal["fast", "paper"]
Draw = Callable[..., Any]
"""(key, step, what is given besides, if anything) → the data of a step."""


class Parameters(NamedTuple):
    """Everything that training may change: θ (cell), h_0, the readout, and φ where there is an E."""

    theta: CellParams
    h0: Float[Array, " N"]
    readout: Readout
    phi: ExpansionParams | None


def task_error(readout: Readout, states: Float[Array, "B T N"], trials: Trials) -> Float[Array, ""]:
    """Mean squared error of the readout over trials, scored steps and outputs."""
    per_step = jnp.mean((readout(states) - trials.targets) ** 2, axis=(0, 2))
    return jnp.sum(per_step * trials.mask) / jnp.sum(trials.mask)


@lru_cache(maxsize=64)
def network_loss(cell: Cell, weights: LossWeights, l2_on_all: bool = False) -> Loss:
    """L_RNN + l2·‖θ‖²: the task alone (eq. 9 with λ_JSLDS = λ_e = λ_a = 0), of states with noise where the
    trials are `Noisy`.

    `l2_on_all`: the penalty is on h_0 and the readout too.
    """

    def loss(p: Parameters, data: Trials | Noisy) -> tuple[jax.Array, Terms]:
        trials, noise = trials_and_noise(data)
        states = rollout(cell, p.theta, _start(p.h0, trials), trials.inputs, noise)
        terms = {"rnn": task_error(p.readout, states, trials)}
        return terms["rnn"] + weights.l2 * _squares(p if l2_on_all else p.theta), terms

    return mean_over_trials(loss)


@lru_cache(maxsize=64)
def co_training_loss(cell: Cell, weights: LossWeights, l2_on_all: bool = False) -> Loss:
    """λ_RNN L_RNN + λ_JSLDS L_JSLDS + λ_e R_e + λ_a R_a + l2·‖θ, φ‖²: the task errors of network and JSLDS
    (`task_error`), R_e (eq. 7) and R_a (eq. 8).

    R_e and R_a are means over trials, steps and units, not the paper's sums: the published λ go with means.
    `l2_on_all`: the penalty is on h_0 and the readout too. Of `Noisy` trials both systems have the noise.
    `units` of E's layers (`expansion_point`) are given, and not trained.

    Reference: Smith et al. (2021), eq. 9.
    """

    def loss(
        p: Parameters, data: Trials | Noisy, units: Float[Array, ""] | None = None
    ) -> tuple[jax.Array, Terms]:
        assert p.phi is not None
        trials, noise = trials_and_noise(data)
        h0 = _start(p.h0, trials)
        errors = co_errors(cell, p.theta, p.phi, p.readout, h0, trials, noise, units)
        (n_trials, n_steps, n_outputs), n_state = trials.targets.shape, len(p.h0)
        scored = trials.mask / (jnp.sum(trials.mask) * n_trials * n_outputs)
        each = 1 / (n_trials * n_steps * n_state)
        terms = {
            "rnn": errors.rnn @ scored,
            "jslds": errors.jslds @ scored,
            "e": jnp.sum(errors.e) * each,
            "a": jnp.sum(errors.a) * each,
        }
        total = sum(getattr(weights, name) * value for name, value in terms.items())
        return total + weights.l2 * _squares(p if l2_on_all else (p.theta, p.phi)), terms

    return mean_over_trials(loss)


@lru_cache(maxsize=64)
def expansion_loss(cell: Cell, weights: LossWeights) -> Loss:
    """The same as `co_training_loss` with φ alone to learn; θ, h_0, readout and units are given, and stay."""
    full = co_training_loss(cell, weights._replace(rnn=0.0))

    def loss(
        phi: ExpansionParams, trials: Trials, given: tuple[Parameters, Float[Array, ""] | None]
    ) -> tuple[jax.Array, Terms]:
        return full(given[0]._replace(phi=phi), trials, given[1])

    return mean_over_trials(loss)


def _start(h0: Float[Array, " N"], trials: Trials) -> Float[Array, "B N"]:
    return jnp.broadcast_to(h0, (trials.inputs.shape[0], h0.shape[0]))


def _squares(tree: Any) -> jax.Array:
    return sum((jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree)), jnp.zeros(()))


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        n_steps, batch: how many steps, on how many trials each.
        optimizer: for a given number of steps.
        l2_on_all: whether the l2 penalty of a network's loss is on h_0 and the readout too.
        n_first: how many steps of the recipe for a network alone come before.
    """

    name: RecipeName
    n_steps: int
    batch: int
    optimizer: Callable[[int], GradientTransformation]
    l2_on_all: bool = False
    n_first: int = 0


def make_recipe(name: RecipeName, setup: Setup, n_steps: int | None = None, alone: bool = False) -> Recipe:
    """The recipe `name` for a task's set-up, with `n_steps` in place of its own length if given.

    `alone`: for a network on its task alone, rather than with an expansion network.

    ``paper``: Adam (b1 0.9, b2 0.999, eps 0.1), rate 0.02·0.9999^step, global-norm clip 10, batch 256;
    l2 on all parameters, as the authors' code has it.
    ``fast``: clip 1, a short warm-up. Alone: batch 32, Adam (0.001) and a cosine. At four times
    the rates of co-training it learns sooner, but the context task's network tends to a solution that
    oscillates from step to step, which no expansion about a fixed point can follow and the paper's recipe
    does not produce.
    Co-training: batch 16, rates that fall to zero in a line, Muon (peak 0.005, momentum 0.98) on the
    recurrent and expansion matrices, Adam (0.0025) on the rest. Where the set-up says so it begins with steps
    on the task alone, by the recipe for that, in proportion to `n_steps` and in whole chunks: networks of
    3-bit memory otherwise tend to seven or more slow directions and to expansion points that no trial comes
    to (docs/reproduce.md).

    Raises:
        UsageError: `n_steps` below 1.
    """
    from jslds_bench.dynamics import optimizers  # Optax takes a while to import

    if n_steps is not None and n_steps < 1:
        raise UsageError(f"n_steps is {n_steps}, expected at least 1")
    if name == "paper":
        return Recipe(name, n_steps or setup.paper_steps, 256, optimizers.paper, True)
    if alone:
        return Recipe(name, n_steps or setup.fast_steps_alone, 32, optimizers.fast_alone)
    n_steps = n_steps or setup.fast_steps
    n_first = round(setup.fast_steps_first * n_steps / setup.fast_steps)
    if n_first > CHUNK:
        n_first = CHUNK * round(n_first / CHUNK)  # a remainder would be compiled by itself
    return Recipe(name, n_steps, 16, optimizers.fast, n_first=n_first)


def train(
    loss: Loss,
    params: Any,
    sample: Sampler,
    recipe: Recipe,
    key: PRNGKeyArray,
    progress: Progress = silent,
    given: Any = None,
) -> tuple[Any, dict[str, np.ndarray]]:
    """`train_batches` on fresh trials at every step: ``sample(fold_in(key, i), recipe.batch)`` at step i."""
    return train_batches(loss, params, Fresh(sample, recipe.batch), recipe, key, progress, given=given)


def train_batches(
    loss: Loss,
    params: Any,
    batch: Draw,
    recipe: Recipe,
    key: PRNGKeyArray,
    progress: Progress = silent,
    validate: Callable[..., jax.Array] | None = None,
    given: Any = None,
) -> tuple[Any, dict[str, np.ndarray]]:
    """`params` after ``recipe.n_steps`` updates, and the history of the loss.

    Args:
        loss: (params, batch) → (total, its terms). Trainings of one shape with equal `loss`, `batch`,
            `validate` and `recipe` run one program, which is kept, with all that these hold.
        batch: (key, step) → what the loss is computed on; step i gets fold_in(key, i).
        validate: params → a loss on data that is not trained on, looked at after every chunk: the parameters
            where it was least are the ones returned.
        given: arrays that `loss`, `batch` and `validate` read besides, as their last argument.

    Returns:
        The trained parameters, and per chunk of at most `CHUNK` steps the mean of the total and of each
        term, with the number of steps done: ``{"step": [n], "loss": [n], "rnn": [n], …}`` ("validation"
        where it is looked at).

    Raises:
        Diverged: the loss is no longer finite.
    """
    state = (params, _started(recipe, params))
    history: list[dict[str, float]] = []
    best = math.inf, params
    for steps in _chunks(recipe):
        state, terms = _run_chunk(loss, batch, recipe, given, key, state, steps)
        means = {name: float(np.mean(values)) for name, values in terms.items()}
        if (diverged := _divergence(means, steps)) is not None:
            raise diverged
        done = int(steps[-1]) + 1
        if validate is not None:
            means["validation"] = float(_validation(validate, given, state[0]))
            if means["validation"] < best[0]:
                best = means["validation"], state[0]
        history.append({"step": float(done), **means})
        progress(done, recipe.n_steps, f"loss {means['loss']:.2e}")
    if validate is not None and best[0] == math.inf:
        raise Diverged("training diverged: the loss on data not trained on was never finite")
    chosen = state[0] if validate is None else best[1]
    return chosen, _stacked(history)


def train_many(
    loss: Loss,
    params: Sequence[Any],
    sample: Sampler,
    recipe: Recipe,
    keys: Sequence[PRNGKeyArray],
    progress: Progress = silent,
) -> list[tuple[Any, dict[str, np.ndarray]] | Diverged]:
    """`train` of S networks of one shape as one program, each from its own parameters and key.

    All draws are those of `train`; only the order of sums may differ, so that parameters agree with those of
    `train` to float32 rounding, and to how that grows over steps.

    Returns:
        What `train` returns, for each; `Diverged` in place of one whose loss is no longer finite: it does not
        concern the others.
    """
    many, fresh = jnp.stack(list(keys)), Fresh(sample, recipe.batch)
    start = jax.tree.map(lambda *leaves: jnp.stack(leaves), *params)
    state = (start, _all_started(recipe, start))
    histories: list[list[dict[str, float]]] = [[] for _ in keys]
    lost: dict[int, Diverged] = {}
    for steps in _chunks(recipe):
        state, terms = _run_many(loss, fresh, recipe, many, state, steps)
        with np.errstate(all="ignore"):
            rows = {name: np.mean(np.asarray(values), axis=1).tolist() for name, values in terms.items()}
        done = int(steps[-1]) + 1
        for i in sorted(set(range(len(keys))) - lost.keys()):
            means = {name: row[i] for name, row in rows.items()}
            if (diverged := _divergence(means, steps)) is not None:
                lost[i] = diverged
            histories[i].append({"step": float(done), **means})
        alive = [row for i, row in enumerate(rows["loss"]) if i not in lost]
        if not alive:
            break
        progress(done, recipe.n_steps, f"loss {np.median(alive):.2e} of {len(alive)} networks")
    trained = jax.device_get(state[0])  # cut up on the host, where that compiles nothing

    def of(i: int) -> Any:
        return jax.tree.map(lambda leaf: jnp.asarray(leaf[i]), trained)

    return [lost[i] if i in lost else (of(i), _stacked(histories[i])) for i in range(len(keys))]


@compiled(static=("recipe",), quickly=False)
def _started(recipe: Recipe, params: Any) -> Any:
    """The optimiser's state before the first step."""
    return recipe.optimizer(recipe.n_steps).init(params)


@compiled(static=("recipe",), quickly=False)
def _all_started(recipe: Recipe, params: Any) -> Any:
    """`_started` of many trainings."""
    return jax.vmap(recipe.optimizer(recipe.n_steps).init)(params)


def _chunk(
    loss: Loss,
    batch: Draw,
    recipe: Recipe,
    given: Any,
    key: PRNGKeyArray,
    state: Any,
    steps: jax.Array,
) -> tuple[Any, Terms]:
    """(parameters, optimiser's state) after some steps, and the losses at each."""
    from optax import apply_updates

    optimizer, besides = recipe.optimizer(recipe.n_steps), _besides(given)

    def update(state: Any, step: jax.Array) -> tuple[Any, Terms]:
        params, opt = state
        data = batch(jax.random.fold_in(key, step), step, *besides)
        (total, terms), grads = value_and_grad(loss)(params, data, *besides)
        updates, opt = optimizer.update(grads, opt, params)
        return (apply_updates(params, updates), opt), {"loss": total, **terms}

    return jax.lax.scan(update, state, steps)


_FIXED = ("loss", "batch", "recipe")
_run_chunk = compiled(_chunk, static=_FIXED, quickly=False)


@compiled(static=_FIXED, quickly=False)
def _run_many(loss: Loss, batch: Fresh, recipe: Recipe, keys: Any, states: Any, steps: jax.Array) -> Any:
    """`_chunk` of many trainings, each with its key and state."""
    return jax.vmap(lambda key, state: _chunk(loss, batch, recipe, None, key, state, steps))(keys, states)


@compiled(static=("validate",), quickly=False)
def _validation(validate: Callable[..., jax.Array], given: Any, params: Any) -> jax.Array:
    return validate(params, *_besides(given))


def _besides(given: Any) -> tuple[Any, ...]:
    return () if given is None else (given,)


def _chunks(recipe: Recipe) -> Iterator[np.ndarray]:
    """The numbers of the steps, `CHUNK` at a time."""
    for start in range(0, recipe.n_steps, CHUNK):
        yield np.arange(start, min(start + CHUNK, recipe.n_steps))


def _divergence(means: dict[str, float], steps: np.ndarray) -> Diverged | None:
    """What became of a chunk's losses, if they are not finite."""
    if all(map(math.isfinite, means.values())):
        return None
    return Diverged(
        f"training diverged within steps {steps[0] + 1}–{steps[-1] + 1}: "
        + ", ".join(f"{name} {value:.3g}" for name, value in means.items())
    )


def _stacked(history: list[dict[str, float]]) -> dict[str, np.ndarray]:
    return {name: np.array([h[name] for h in history]) for name in history[0]}
