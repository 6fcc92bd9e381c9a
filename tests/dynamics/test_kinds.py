"""Programs of models that differ in nothing but their type."""

import dataclasses
import functools
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jslds_bench.dynamics.compiled import _known, compiled, compiler_options, kinds
from jslds_bench.settings.networks.calls import on_model

N_KINDS = 60  # JAX by itself runs the program of another on one in eight


def model_that_adds(number):
    """A model of a type of its own, with no field: as two methods of one author may be."""

    class Adds:
        def step(self, x):
            return x + number

    jax.tree_util.register_dataclass(dataclasses.dataclass(frozen=True)(Adds), data_fields=[], meta_fields=[])
    return Adds()


def step(model, x):
    return model.step(x)


@pytest.mark.parametrize("nested", [False, True], ids=["itself", "within"])
def test_each_type_of_model_is_run_by_its_own_program(nested):
    def within(models, x):
        return models[0].step(x)

    numbers = range(N_KINDS)
    models = [model_that_adds(number) for number in numbers]
    if nested:
        answers = [float(compiled(within)([model], 0.0)) for model in models]
        run = compiled(within)
        again = [float(run([model], 0.0)) for model in models]
    else:
        answers = [float(on_model(step, model)(0.0)) for model in models]
        again = [float(on_model(step, model)(0.0)) for model in models]
    assert answers == again == list(numbers)


def test_kinds_are_the_types_of_nodes_and_no_values():
    one, other = model_that_adds(1), model_that_adds(1)
    assert kinds({"a": one, "b": (1.0, [None])}) != kinds({"a": other, "b": (1.0, [None])})
    assert kinds({"a": one, "b": 1.0}) == kinds({"a": one, "b": jnp.zeros(3)})


def test_fields_that_are_no_leaves_are_told_apart_by_type_and_sign():
    @functools.partial(jax.tree_util.register_dataclass, data_fields=[], meta_fields=["gain"])
    @dataclasses.dataclass(frozen=True)
    class Says:
        gain: object

    run = compiled(lambda model, x: x * 0 + (10.0 if model.gain is True else np.copysign(1.0, model.gain)))
    gains = (1, True, 1.0, 0.0, -0.0)
    assert [float(run(Says(gain), 2.0)) for gain in gains] == [1, 10, 1, 1, -1]
    assert kinds(Says(2.0)) != kinds(Says(3.0))
    assert kinds(Says("a")) == kinds(Says("b"))  # which JAX tells apart


def test_a_program_is_compiled_once_for_a_kind_and_may_have_static_arguments():
    traced = []

    @compiled(static=("n",))
    def scaled(x, n):
        traced.append(n)
        return n * x

    assert [float(scaled(jnp.float32(x), 3)) for x in (1, 2)] == [3, 6]
    assert float(scaled(jnp.float32(1), n=4)) == 4
    assert traced == [3, 4]
    assert float(jax.jit(lambda x: scaled(x, 5))(2.0)) == 10  # a part of another program


def test_only_an_unknown_option_is_done_without(monkeypatch):
    def refused(error):
        def jit(*args, **options):
            raise error

        monkeypatch.setattr(jax, "jit", jit)
        return _known.__wrapped__((("an_option", False),))

    assert refused(jax.errors.JaxRuntimeError("INVALID_ARGUMENT: No such compile option")) == ()
    with pytest.raises(MemoryError):
        refused(MemoryError())


@pytest.mark.parametrize("quickly", [False, True])
def test_on_one_core_a_program_is_compiled_in_one_piece_and_does_the_same(quickly, monkeypatch):
    piece, given, jit = "xla_cpu_parallel_codegen_split_count", [], jax.jit
    if not _known(((piece, 1),)):
        pytest.skip("this jaxlib has no such option")
    x = jnp.sin(jnp.arange(400.0)).reshape(20, 20)

    def spied(function, **options):
        given.append(options["compiler_options"])
        return jit(function, **options)

    def on(cores):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores, raising=False)
        compiler_options(quickly)  # jaxlib is asked for them once

    def run(cores):
        on(cores)
        # a function of its own, which nothing has been compiled for
        own = compiled(lambda x: jnp.sin(x @ x).sum(axis=0) + jnp.cos(x).max(axis=0), quickly=quickly)
        return np.asarray(own(x))

    on({0})
    on({0, 1})
    monkeypatch.setattr(jax, "jit", spied)
    np.testing.assert_array_equal(run({0}), run({0, 1}))
    assert [piece in options for options in given] == [True, False]


@pytest.mark.parametrize("flags", ["", "--xla_backend_optimization_level=3"])
@pytest.mark.parametrize("little", [False, True])
def test_a_level_of_optimisation_that_is_chosen_stays(flags, little, monkeypatch):
    level = "xla_backend_optimization_level"
    if not _known(((level, 1),)):
        pytest.skip("this jaxlib has no such option")
    monkeypatch.setenv("XLA_FLAGS", flags)
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", little)
    try:
        found = [level in compiler_options(quickly) for quickly in (False, True)]
    finally:
        jax.config.update("jax_disable_most_optimizations", before)
    assert found == [False, not flags and not little]


def test_options_that_jaxlib_lacks_are_left_out():
    has, lacks = ("xla_cpu_enable_fast_math", False), ("xla_cpu_no_such_option", True)
    assert _known(()) == ()
    assert _known((lacks,)) == ()
    assert _known((lacks, has)) == (has,)
