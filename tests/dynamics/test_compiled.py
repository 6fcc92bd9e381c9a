"""Programs of models that differ in nothing but their type."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from jslds_bench.dynamics.compiled import compiled, kinds
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
