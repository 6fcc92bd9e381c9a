"""Registries: registration, near names, parameter types, entry points."""

import dataclasses
import importlib.metadata
import typing
from pathlib import Path
from typing import Literal

import pytest

from jslds_bench.entries.registry import Registry, nearest
from jslds_bench.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Spring:
    stiffness: float = 1.0
    n_coils: int = 3
    kind: Literal["steel", "rubber"] = "steel"
    label: str | None = None
    damped: bool = False
    sizes: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    colour: typing.Optional[Literal["red", "blue"]] = None  # noqa: UP045, what `Literal | None` is before 3.14
    most: int | Literal["all"] = "all"
    place: str | Path = ""  # a type that is the entry's own to check
    stamp: dataclasses.InitVar[int] = 0
    made: str = dataclasses.field(default="here", init=False)

    def __post_init__(self, stamp: int) -> None:
        if self.stiffness < 0:
            raise UsageError(f"stiffness is {self.stiffness}, expected at least 0")


@dataclasses.dataclass(frozen=True)
class Weight:
    mass: float
    place: str = "end"


@pytest.fixture
def registry() -> Registry:
    things: Registry = Registry("thing")
    things.register("spring")(dataclasses.make_dataclass("Copy", [], bases=(Spring,), frozen=True))
    things.register("weight")(Weight)
    return things


def make(registry, **parameters):
    return registry.make("spring", parameters)


@pytest.mark.parametrize(
    ("key", "given", "kept"),
    [
        ("stiffness", 2, 2.0),
        ("stiffness", 0.5, 0.5),
        ("n_coils", 7, 7),
        ("kind", "rubber", "rubber"),
        ("label", None, None),
        ("label", "x", "x"),
        ("damped", True, True),
        ("sizes", [1, 2], (1, 2)),
        ("weights", [1, 2.5], (1.0, 2.5)),
        ("weights", (0.5,), (0.5,)),
        ("colour", "red", "red"),
        ("colour", None, None),
        ("most", 4, 4),
        ("most", "all", "all"),
        ("place", "here", "here"),
    ],
)
def test_good_values_are_taken(registry, key, given, kept):
    value = getattr(make(registry, **{key: given}), key)
    assert value == kept
    assert type(value) is type(kept)


@pytest.mark.parametrize(
    ("key", "given", "said"),
    [
        ("stiffness", "2", "is '2' (str), expected float"),
        ("stiffness", True, "is True (bool), expected float"),
        ("stiffness", None, "is None (NoneType), expected float"),
        ("n_coils", 2.0, "is 2.0 (float), expected int"),
        ("n_coils", True, "is True (bool), expected int"),
        ("kind", "steal", "is 'steal'; did you mean 'steel'? (expected one of 'steel', 'rubber')"),
        ("label", 3, "is 3 (int), expected str or none"),
        ("damped", 1, "is 1 (int), expected bool"),
        ("sizes", "12", "is '12' (str), expected tuple"),
        ("sizes", ["a"], "is ['a'] (list), expected tuple[int, ...]"),
        ("sizes", [1, True], "is [1, True] (list), expected tuple[int, ...]"),
        ("weights", [1.0, "2"], "is [1.0, '2'] (list), expected tuple[float, ...]"),
        ("weights", [1.0, float("nan")], "is [1.0, nan], expected a finite number"),
        ("colour", "rad", "is 'rad'; did you mean 'red'?"),
        ("most", "some", "is 'some'"),
        ("stiffness", -1, "stiffness is -1.0, expected at least 0"),
        ("stiffness", float("nan"), "is nan, expected a finite number"),
        ("stiffness", float("-inf"), "is -inf, expected a finite number"),
        ("stiffness", 10**400, "0, expected a finite number"),
    ],
)
def test_bad_values_are_refused_by_name(registry, key, given, said):
    with pytest.raises(UsageError) as caught:
        make(registry, **{key: given})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_names_come_with_the_nearest(registry):
    with pytest.raises(
        UsageError, match=r"unknown thing 'sprng'; did you mean 'spring'\? \(known: spring, weight\)"
    ):
        registry.get("sprng")
    with pytest.raises(UsageError, match=r"unknown thing 'zzz' \(known"):
        registry.get("zzz")
    with pytest.raises(
        UsageError, match=r"thing 'spring' has no parameter 'stifness'; did you mean 'stiffness'\?"
    ):
        make(registry, stifness=1)
    with pytest.raises(UsageError, match="has no parameter 'made'"):
        make(registry, made="there")
    assert nearest("abc", []) == ""


@pytest.mark.parametrize(
    ("word", "words", "found"),
    [
        ("GRU", ["gru", "lstm"], "gru"),
        ("torch.gru", ["torch.RNN", "torch.RNN_relu", "torch.GRU", "keras.GRU"], "torch.GRU"),
        ("Sprng", ["weight", "SPRING"], "SPRING"),
    ],
)
def test_the_nearest_is_so_in_any_case(word, words, found):
    assert nearest(word, words) == f"; did you mean {found!r}?"


def test_missing_parameters_are_named(registry):
    with pytest.raises(UsageError, match="thing 'weight' needs mass"):
        registry.make("weight", {})
    assert registry.make("weight", {"mass": 1}) == Weight(1.0)


def test_registration(registry):
    assert registry.names() == list(registry) == ["spring", "weight"]
    assert "spring" in registry
    assert "sprung" not in registry
    assert registry.get("weight") is Weight
    assert Weight.name == "weight"
    assert registry.register("weight")(Weight) is Weight  # a module imported twice
    with pytest.raises(UsageError, match="thing 'weight' is registered twice"):
        registry.register("weight")(Spring)
    with pytest.raises(UsageError, match="thing 'plain' must be a dataclass"):
        registry.register("plain")(type("Plain", (), {}))
    assert registry.names() == ["spring", "weight"]


@pytest.fixture
def entry_points(monkeypatch):
    """Installs entry points of fake packages into the group of things; keeps count of the imports."""

    def install(**targets):
        points = [
            importlib.metadata.EntryPoint(name, value, "jslds_bench.things")
            for name, value in targets.items()
        ]

        def fake(*, group):
            return [p for p in points if p.group == group]

        monkeypatch.setattr(importlib.metadata, "entry_points", fake)

    return install


def test_entry_points_are_listed_at_once_and_imported_when_asked_for(
    registry, entry_points, tmp_path, monkeypatch
):
    (tmp_path / "their_package.py").write_text(
        "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass Pulley:\n    n: int = 2\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    entry_points(pulley="their_package:Pulley", lost="no_such_package:Thing")
    assert registry.names() == ["lost", "pulley", "spring", "weight"]
    assert "pulley" in registry
    import sys

    assert "their_package" not in sys.modules
    made = registry.make("pulley", {"n": 3})
    assert (made.n, made.name) == (3, "pulley")
    monkeypatch.delitem(sys.modules, "their_package")
    assert registry.make("pulley", {}).n == 2  # from the registry now
    with pytest.raises(
        UsageError, match=r"thing 'lost' of package 'no_such_package:Thing' could not be imported: Mod"
    ):
        registry.get("lost")


def test_an_entry_point_that_is_no_dataclass_is_refused(registry, entry_points):
    entry_points(odd="collections:OrderedDict")
    with pytest.raises(UsageError, match="must be a dataclass"):
        registry.get("odd")
