"""Twenty tasks in one network: the family of Yang et al. (2019), told apart by a rule input."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from jslds_bench.entries.registry import TASKS, nearest
from jslds_bench.errors import UsageError
from jslds_bench.types.core import Trials
from jslds_bench.types.networks import LossWeights, Setup


class _Rule(NamedTuple):
    """What one task does.

    Attributes:
        order: "stays", one thing, shown until the end; "reacts", the same, shown when it is time to answer;
            "brief", one thing, then a delay; "at_once", two things until it is time; "in_turn", one, a delay,
            the other, and then the answer, or with `match` the answer to the other while it is shown.
        anti: whether to answer in the opposite direction.
        shown: the modalities that show something: "either" (drawn), "first", "second" or "both".
        attends: decides for the stronger of two, by the strengths in "first", "second" or "both"; or "".
        match: answers only where two things are of one "direction" or "category", or of two, with a leading
            "non-"; or "".
    """

    order: str
    anti: bool = False
    shown: str = "either"
    attends: str = ""
    match: str = ""


_RULES = {
    "go": _Rule("stays"),
    "rtgo": _Rule("reacts"),
    "dlygo": _Rule("brief"),
    "anti": _Rule("stays", anti=True),
    "rtanti": _Rule("reacts", anti=True),
    "dlyanti": _Rule("brief", anti=True),
    "dm1": _Rule("at_once", shown="first", attends="first"),
    "dm2": _Rule("at_once", shown="second", attends="second"),
    "ctxdm1": _Rule("at_once", shown="both", attends="first"),
    "ctxdm2": _Rule("at_once", shown="both", attends="second"),
    "multidm": _Rule("at_once", shown="both", attends="both"),
    "dlydm1": _Rule("in_turn", shown="first", attends="first"),
    "dlydm2": _Rule("in_turn", shown="second", attends="second"),
    "ctxdlydm1": _Rule("in_turn", shown="both", attends="first"),
    "ctxdlydm2": _Rule("in_turn", shown="both", attends="second"),
    "multidlydm": _Rule("in_turn", shown="both", attends="both"),
    "dms": _Rule("in_turn", match="direction"),
    "dnms": _Rule("in_turn", match="non-direction"),
    "dmc": _Rule("in_turn", match="category"),
    "dnmc": _Rule("in_turn", match="non-category"),
}
_MODALITIES = {"": (0, 0), "either": (0, 0), "first": (1, 0), "second": (0, 1), "both": (1, 1)}
_SHOWN, _ANSWER = 5, 10
"""Steps that something brief is shown for, and left to answer at least."""
_EARLIEST, _LATEST = 3, 8
"""When the first thing can appear."""
_DIFFERENCES = np.array([0.16, 0.32, 0.64])
"""Of the strengths of two things to decide between."""


@TASKS.register("multitask")
@dataclasses.dataclass(frozen=True)
class MultiTask:
    """One of twenty tasks in each trial, said by a rule input: reaching, deciding, matching.

    Inputs are 1 while to fixate, two modalities of a ring of units (exp(2 cos(θ − θ_i) − 2) for a thing in
    direction θ, times its strength, plus noise), and the rule, one-hot, in all steps. Targets are 1 while to
    fixate and then 0, and (cos, sin) of the direction to answer in, 0 until then; the step after the cue is
    the first to answer in. The cue is that the fixation input goes off, or in "rt…" and matching tasks, where
    it stays, that the last thing appears. Where two things match, or do not, against what the rule asks for,
    fixation is the right answer to the end.

    u* is the input while waiting: fixation and the rule, so that each rule has dynamics and fixed points of
    its own. A network that shares its points between rules shares what it does.
    Reference: Yang et al. (2019), Nat. Neurosci. 22, whose names and order of events these are, coarser in
    time and with 8 units for 32; (cos, sin) answers as in Driscoll et al. (2024), Nat. Neurosci. 27.

    Attributes:
        rules: those that trials are drawn of, all equally often.
        n_ring: units of each modality.
        noise: standard deviation at every step and unit of the modalities.
        shortest, longest: of the delay, in steps.
    """

    rules: tuple[str, ...] = tuple(_RULES)
    n_ring: int = 8
    noise: float = 0.1
    shortest: int = 4
    longest: int = 12

    origin: ClassVar[str] = "synthetic"
    SMOKE: ClassVar[dict[str, Any]] = {"rules": ("go", "dms"), "n_ring": 3, "shortest": 1, "longest": 2}

    def __post_init__(self) -> None:
        unknown = [rule for rule in self.rules if rule not in _RULES]
        if unknown:
            known = ", ".join(_RULES)
            near = nearest(unknown[0], list(_RULES))
            raise UsageError(f"multitask: unknown rule {unknown[0]!r}{near} (known: {known})")
        if not self.rules or len(set(self.rules)) < len(self.rules):
            raise UsageError(f"multitask needs at least one rule, and each once, got {', '.join(self.rules)}")
        if self.n_ring < 3 or self.noise < 0 or not 1 <= self.shortest <= self.longest:
            raise UsageError(
                "multitask needs n_ring ≥ 3, noise ≥ 0 and 1 ≤ shortest ≤ longest, got "
                f"{self.n_ring}, {self.noise:g}, {self.shortest} and {self.longest}"
            )

    @property
    def n_steps(self) -> int:
        return _LATEST + 2 * _SHOWN + self.longest + _ANSWER

    @property
    def n_inputs(self) -> int:
        return 1 + 2 * self.n_ring + len(self.rules)

    @property
    def n_outputs(self) -> int:
        return 3

    @property
    def setup(self) -> Setup:
        weights = LossWeights(rnn=1, jslds=1, e=100, a=10)
        return Setup("gru", 128, weights, paper_steps=50_000, fast_steps=8_000, fast_steps_alone=15_000)

    def sample(self, key: PRNGKeyArray, n_trials: int) -> Trials:
        keys = iter(jax.random.split(key, 12))
        which = jax.random.randint(next(keys), (n_trials,), 0, len(self.rules))
        rules = [_RULES[rule] for rule in self.rules]

        def of(values: list[Any]) -> jax.Array:
            """What holds for each trial's rule."""
            return jnp.asarray(np.array(values))[which]

        def order(*names: str) -> jax.Array:
            return of([rule.order in names for rule in rules])

        matching = of([rule.match != "" for rule in rules])
        deciding = of([rule.attends != "" for rule in rules])

        # When: the first thing begins, the delay is over, and it is time to answer.
        begin = jax.random.randint(next(keys), (n_trials,), _EARLIEST, _LATEST + 1)
        over = begin + _SHOWN + jax.random.randint(next(keys), (n_trials,), self.shortest, self.longest + 1)
        end, in_turn = jnp.full(n_trials, self.n_steps), order("in_turn")
        cue = jnp.where(in_turn & deciding, over + _SHOWN, over)
        on = jnp.stack([jnp.where(order("reacts"), over, begin), jnp.where(in_turn, over, begin)])
        ends_first = jnp.where(order("brief", "in_turn"), begin + _SHOWN, end)
        off = jnp.where(order("at_once"), over, jnp.stack([ends_first, jnp.where(matching, end, cue)]))

        # Where: two directions; on halves of the ring, away from their ends, where halves are to match.
        alike = jax.random.bernoulli(next(keys), 0.5, (n_trials,))
        by_half = of([rule.match.endswith("category") for rule in rules])
        uniform = jax.random.uniform(next(keys), (3, n_trials))
        half = jax.random.bernoulli(next(keys), 0.5, (n_trials,))
        halves = jnp.stack([half, half == alike])
        apart = jnp.where(matching & alike, 0.0, jnp.pi * (0.5 + uniform[1]))
        first = 2 * jnp.pi * uniform[0]
        free = jnp.stack([first, first + apart])
        theta = jnp.where(by_half, jnp.pi * (halves + 0.1 + 0.8 * uniform[1:]), free)

        # How strong: by modality.
        either = jax.nn.one_hot(jax.random.randint(next(keys), (n_trials,), 0, 2), 2)
        shown = jnp.where(
            of([rule.shown == "either" for rule in rules])[:, None],
            either,
            of([_MODALITIES[rule.shown] for rule in rules]),
        )
        attended = of([_MODALITIES[rule.attends] for rule in rules])
        sizes = jax.random.choice(next(keys), jnp.asarray(_DIFFERENCES), (n_trials, 2))
        each = jnp.where(jax.random.bernoulli(next(keys), 0.5, (n_trials, 2)), sizes, -sizes)
        # Where both count, one alone may point to the wrong side.
        lean = jax.random.uniform(next(keys), (n_trials, 1), minval=-2.0, maxval=2.0)
        shared = 0.5 * each[:, :1] * (1 + jnp.concatenate([lean, -lean], axis=1))
        differences = jnp.where(jnp.all(attended == 1, axis=1)[:, None], shared, each)
        mean = jax.random.uniform(next(keys), (n_trials, 2), minval=0.8, maxval=1.2)
        sides = jnp.stack([mean + differences / 2, mean - differences / 2])
        two = jnp.stack([jnp.ones(n_trials), order("at_once", "in_turn").astype(float)])
        strength = shown * jnp.where(deciding[:, None], sides, 1.0) * two[..., None]

        # The answer.
        evidence = jnp.sum(attended * differences, axis=1)
        decided = jnp.where(evidence > 0, theta[0], theta[1])
        single = theta[0] + jnp.pi * of([float(rule.anti) for rule in rules])
        direction = jnp.where(deciding, decided, jnp.where(matching, theta[1], single))
        wanted = of([not rule.match.startswith("non-") for rule in rules])
        answers = ~matching | (alike == wanted)

        t = jnp.arange(self.n_steps)
        visible = (t >= on[..., None]) & (t < off[..., None])
        at = 2 * jnp.pi * jnp.arange(self.n_ring) / self.n_ring
        ring = jnp.exp(2 * jnp.cos(theta[..., None] - at) - 2)
        things = jnp.einsum("sbt,sbm,sbi->btmi", visible.astype(float), strength, ring)
        stays = order("reacts") | matching
        fixate = (t < cue[:, None]) | stays[:, None]
        rule = jnp.broadcast_to(
            jax.nn.one_hot(which, len(rules))[:, None], (n_trials, self.n_steps, len(rules))
        )
        noise = self.noise * jax.random.normal(next(keys), things.shape)
        moved = (t > cue[:, None]) & answers[:, None]
        pointing = jnp.stack([jnp.cos(direction), jnp.sin(direction)], axis=-1)
        return Trials(
            inputs=jnp.concatenate(
                [fixate[..., None], (things + noise).reshape(n_trials, self.n_steps, -1), rule], axis=-1
            ),
            targets=jnp.concatenate([~moved[..., None], moved[..., None] * pointing[:, None]], axis=-1),
            mask=jnp.ones(self.n_steps),
            u_star=self.expansion_inputs()[which],
        )

    @property
    def u_star_names(self) -> tuple[str, ...]:
        return self.rules

    def expansion_inputs(self) -> Float[Array, "K U"]:
        n = len(self.rules)
        return jnp.concatenate([jnp.ones((n, 1)), jnp.zeros((n, 2 * self.n_ring)), jnp.eye(n)], axis=1)

    def right(self, outputs: Float[Any, "B T 3"], trials: Trials) -> Bool[np.ndarray, " B"]:
        """Which trials end with the right answer, as Yang et al. score them.

        The last step's fixation output is below 0.5 and its direction within 36° of the right one; or above
        0.5 where fixation is right.
        """
        told, wanted = np.asarray(outputs)[:, -1], np.asarray(trials.targets)[:, -1]
        moves = wanted[:, 0] < 0.5
        length = np.linalg.norm(told[:, 1:], axis=-1)
        near = np.sum(told[:, 1:] * wanted[:, 1:], axis=-1) >= np.cos(np.pi / 5) * length
        return np.where(moves, (told[:, 0] < 0.5) & near & (length > 0), told[:, 0] >= 0.5)
