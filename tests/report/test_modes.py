"""Figures of switching models: which mode has which colour, what is drawn, and what is said of the rest."""

from __future__ import annotations

import dataclasses
import itertools
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from switching_runs import fit_series, memory_arrays

from jslds_bench.records.store import write_record
from jslds_bench.report import write_report
from jslds_bench.report.data.arrays import check_arrays
from jslds_bench.report.data.modes import SHAPES, read_modes
from jslds_bench.report.data.run import load_data
from jslds_bench.report.figures.fit import Curve, Trace, k_curve, traces
from jslds_bench.report.figures.flow import Field, Plane, _area, _arrows, flows
from jslds_bench.report.figures.modes import Track, _pieces, tracks
from jslds_bench.report.figures.picture import draw
from jslds_bench.report.plans.every import plans
from jslds_bench.report.plans.plan import Plan
from jslds_bench.report.settings.networks import SETTING
from jslds_bench.report.style import MODE_COLORS, MODE_THEME, MUTED, PAPER, Style, theme

DEFICIENCIES = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
"""Linear RGB as it is seen. Reference: Machado, Oliveira and Fernandes (2009), severity 1."""


def oklab(color: str, seen: np.ndarray) -> np.ndarray:
    """Reference: Ottosson (2020), a space in which equal distances look about equally different."""
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_lms = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
              [0.0883024619, 0.2817188376, 0.6299787005]]  # fmt: skip
    to_lab = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
              [0.0259040371, 0.7827717662, -0.8086757660]]  # fmt: skip
    return np.array(to_lab) @ np.cbrt(np.array(to_lms) @ np.clip(np.array(seen) @ linear, 0, 1))


@pytest.mark.parametrize("seen", DEFICIENCIES)
@pytest.mark.parametrize("colors", [tuple(MODE_THEME), tuple(MODE_THEME.values())], ids=["light", "dark"])
def test_any_two_modes_are_told_apart(colors, seen):
    points = [oklab(c, np.array(DEFICIENCIES[seen])) for c in colors]
    nearest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(points, 2))
    assert len(points) == 9
    assert nearest > 0.08  # four times a difference that is just seen


def texts(figure: Figure) -> str:
    return "\n".join(t.get_text() for t in figure.findobj(Text))


def planned(run: Path) -> dict[str, Plan]:
    return {plan.name: plan for plan in plans(load_data(run))}


@pytest.fixture
def network_run(write_run: Callable[..., Path], make: Callable, example: Callable) -> Callable[..., Path]:
    """A run of `rslds` on one network, whose record holds the given arrays."""

    def write(arrays: dict[str, np.ndarray], model: str = "rslds") -> Path:
        run = write_run([])
        record = make("nbit_memory", "standard", model)
        record = dataclasses.replace(record, series=record.series | fit_series(model))
        write_record(run, record, example("nbit_memory", 0.1, 0) | arrays)
        return run

    return write


def test_the_busiest_mode_has_the_first_colour():
    modes = read_modes(check_arrays({"modes_inferred": np.array([[2, 2, 2, 0, 0, 4]])}, SHAPES))
    assert modes.order[:3] == (2, 0, 4)
    assert [modes.color[m] for m in (2, 0, 4)] == list(MODE_COLORS[:3])
    assert modes.name(2) == "mode 2 · 50 %"


def test_more_modes_than_colours_are_grey():
    modes = read_modes(check_arrays({"mode_points": np.zeros((20, 2))}, SHAPES))
    assert [modes.color[m] for m in modes.order] == [*MODE_COLORS, *[MUTED] * 11]


@pytest.mark.parametrize("n_modes", [3, 4, 6])
def test_true_modes_have_the_colour_of_the_mode_that_covers_them_best(n_modes):
    true = np.random.default_rng(0).integers(0, 4, size=(3, 50))
    order = np.random.default_rng(1).permutation(n_modes)
    inferred = order[true % n_modes]
    inferred[0, :5] = order[0]
    modes = read_modes(
        check_arrays(
            {"modes_true": true, "modes_inferred": inferred, "mode_points": np.zeros((n_modes, 2))}, SHAPES
        )
    )
    best = max(
        np.mean(
            [dict(enumerate(names)).get(t, -1) == m for t, m in zip(true.flat, inferred.flat, strict=True)]
        )
        for names in itertools.permutations([*range(n_modes), -1], 4)
    )
    assert modes.agreement == pytest.approx(best)
    for k in range(min(n_modes, 4) if n_modes > 3 else 1, 4 if n_modes > 3 else 3):
        assert modes.true_color[k] == modes.color[order[k]]
    assert len({modes.true_color[k] for k in range(4)}) == 4


def test_every_step_is_drawn_once_in_the_colour_of_its_mode():
    rng = np.random.default_rng(0)
    states, modes = rng.normal(size=(3, 20, 2)), rng.integers(0, 3, size=(3, 20))
    drawn = {}
    for mode in range(3):
        line = _pieces(states, modes == mode)
        for a, b in itertools.pairwise(line):
            if np.isfinite([a, b]).all():
                drawn[tuple(a), tuple(b)] = mode
    wanted = {
        (tuple(states[e, t - 1]), tuple(states[e, t])): modes[e, t] for e in range(3) for t in range(1, 20)
    }
    assert drawn == wanted


def test_a_free_run_ends_where_it_leaves_the_plot():
    arrays = check_arrays(memory_arrays(4), SHAPES)
    modes = read_modes(arrays)
    away = np.array(arrays["modes_free_path"])
    away[1, 7:] = np.nan
    away[2, 9:] = 1e30
    panels = [
        Track("a", "", arrays["modes_path"], arrays["modes_inferred"], modes.color),
        Track("b", "", away, arrays["modes_free"], modes.color),
    ]
    with theme():
        figure = tracks("h", panels, modes, ("x", "y"))
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    assert texts(figure).count("leaves the plot at step 8") == 1


def grid_of(n: int = 9, transposed: bool = False) -> np.ndarray:
    x, y = np.meshgrid(np.linspace(-2, 2, n), np.linspace(-1, 3, n), indexing="ij" if transposed else "xy")
    return np.stack([x.ravel(), y.ravel()], axis=1)


def test_arrows_lie_along_the_flow_and_within_a_cell():
    at = grid_of()
    flow = np.random.default_rng(0).normal(size=at.shape) * 10
    flow[0] = 0
    arrows = _arrows(flow, Plane(at, None, None), np.array([2.0, 2.0]), reach=0.1)
    shaft = arrows[1:, 1] - arrows[1:, 0]
    assert np.allclose((arrows[1:, 0] + arrows[1:, 1]) / 2, at[1:])
    assert np.allclose(shaft[:, 0] * flow[1:, 1], shaft[:, 1] * flow[1:, 0])
    assert (np.sum(shaft * flow[1:], axis=1) > 0).all()
    assert np.linalg.norm(shaft, axis=1).max() < 0.5
    assert np.isnan(arrows[0, :5]).all()


@pytest.mark.parametrize("transposed", [False, True])
def test_a_region_covers_the_cells_of_its_points(transposed):
    at = grid_of(transposed=transposed)
    inside = np.hypot(at[:, 0], at[:, 1] - 1) < 1.1
    path = _area(Plane(at, None, None), inside, "#000000", 1.0).get_path()
    area = sum(
        abs(np.sum(p[:-1, 0] * p[1:, 1] - p[1:, 0] * p[:-1, 1])) / 2
        for p in path.to_polygons(closed_only=True)
    )
    assert area == pytest.approx(inside.sum() * 0.25)
    assert (path.contains_points(at) == inside).all()


def test_fixed_points_are_filled_if_real_and_pointed_to_if_outside():
    at, modes = grid_of(), read_modes(check_arrays({"mode_points": np.zeros((3, 2))}, SHAPES))
    none = np.zeros((0, 2))
    fields = [
        Field(0, -at, none, np.array([0.5, 0.5]), True),
        Field(1, -at, none, np.array([0.5, 0.5]), False),
        Field(2, -at, none, np.array([90.0, 1.0]), False),
    ]
    with theme():
        figure = flows("h", fields, Plane(at, None, None), modes, ("x", "y"))
    markers = [line for ax in figure.axes for line in ax.get_lines() if len(line.get_xdata()) == 1]
    faces = [line.get_markerfacecolor() for line in markers]
    assert faces == [modes.color[0], PAPER, PAPER]
    assert [line.get_marker() for line in markers[:2]] == ["X", "X"]
    assert markers[2].get_xdata()[0] == pytest.approx(0.96)
    for said in ("real point", "virtual point", "virtual point, outside"):
        assert said in texts(figure).splitlines()


def test_flow_is_strong_where_the_gate_picks_the_mode():
    at = grid_of()
    picked = (at[:, 0] > 0).astype(int)
    modes = read_modes(check_arrays({"flow_mode": picked}, SHAPES))
    fields = [Field(k, np.ones_like(at), np.zeros((0, 2))) for k in (0, 1)]
    with theme():
        figure = flows("h", fields, Plane(at, picked, None), modes, ("x", "y"))
    assert len(figure.axes) == 3  # the regions come first
    for ax, mode in zip(figure.axes[1:], (0, 1), strict=True):
        arrows = [line for line in ax.get_lines() if len(line.get_xdata())]
        strong = max(arrows, key=lambda line: line.get_linewidth())
        tails = strong.get_xydata()[::6]
        assert len(tails) == (picked == mode).sum()
        assert ((tails[:, 0] > 0.1) == bool(mode)).all()


FIGURES = ("k_curve", "objective", "rslds+modes", "rslds+flow", "rslds+mode_eigenvalues")


@pytest.mark.parametrize(("n_modes", "reads_state"), [(2, False), (4, False), (4, True)])
def test_figures_of_a_switching_model(network_run, n_modes, reads_state):
    found = planned(network_run(memory_arrays(n_modes, reads_state=reads_state)))
    with theme():
        drawn = [found[f"nbit_memory+standard+{name}"].build() for name in FIGURES]
    assert len(drawn[3].axes) == n_modes + (reads_state and n_modes > 1)
    assert all("mode 0" in texts(figure) for figure in drawn[2:])


def test_of_one_mode_there_is_nothing_to_show(network_run):
    assert not any("+rslds+" in name for name in planned(network_run(memory_arrays(1, reads_state=False))))


@pytest.mark.parametrize("task", ["nbit_memory", "context_integration"])
def test_the_arrays_of_a_switching_model_go_with_those_of_every_task(example, task):
    arrays = example(task, 0.1, 0) | memory_arrays(5)
    assert check_arrays(arrays, SETTING.shapes).notes == ()


def test_the_page_of_a_model_of_many_modes(network_run):
    page = write_report(network_run(memory_arrays(12)))
    text = page.read_text()
    for name in FIGURES:
        file = page.parent / "figures" / f"nbit_memory+standard+{name}.svg"
        assert ET.parse(file).getroot().tag.endswith("svg")
    assert "No figure" not in text[text.index("Modes of rslds on the network standard") :]
    assert "Without a panel: 4 modes of less use" in text
    assert page.stat().st_size < 1e6
    assert f"stroke: var(--c-{MODE_COLORS[0][1:]})" in text


def test_the_colour_of_a_mode_is_the_same_in_every_figure(network_run):
    found = planned(network_run(memory_arrays(4)))
    colors = []
    with theme():
        for name in ("modes", "flow", "mode_eigenvalues"):
            figure = found[f"nbit_memory+standard+rslds+{name}"].build()
            used = {line.get_color() for ax in figure.axes for line in ax.get_lines()}
            colors.append(used & set(MODE_COLORS))
    assert colors[0] == colors[1] == colors[2] == set(MODE_COLORS[:4])


def test_models_without_modes_leave_no_trace(network_run):
    run = network_run({}, model="jslds")
    names = planned(run).keys()
    assert not [n for n in names if n.endswith(("+modes", "+flow", "+mode_eigenvalues", "ill_shaped"))]


@pytest.mark.parametrize(
    ("missing", "gone"),
    [("modes_path", set()), ("modes_free", set()), ("flow_at", {"flow"}), ("flow_mode", set()),
     ("mode_points", set()), ("mode_eigenvalues", {"mode_eigenvalues"})],
)  # fmt: skip
def test_arrays_that_are_not_there_leave_only_their_figure_out(network_run, missing, gone):
    arrays = memory_arrays(5)
    del arrays[missing]
    found = planned(network_run(arrays))
    made = {n.rsplit("+", 1)[1] for n in found if "+rslds+" in n}
    assert made == {"modes", "flow", "mode_eigenvalues"} - gone
    with theme():
        assert all(found[f"nbit_memory+standard+rslds+{n}"].build() for n in made)


def test_ill_shaped_modes_are_named(network_run):
    arrays = memory_arrays(5)
    arrays["modes_free"] = arrays["modes_free"].astype(float)
    arrays["flow"] = arrays["flow"][:, :-1]
    found = planned(network_run(arrays))
    note = found["nbit_memory+standard+rslds+ill_shaped"].note
    assert "modes_free has shape (4, 26) of float64, expected [E, S] of integers" in note
    assert "flow has shape (5, 224, 2) of float64, expected [Z, G, 2]" in note
    assert "nbit_memory+standard+rslds+modes" in found


def test_numbers_that_are_not_finite_are_left_out(network_run):
    arrays = memory_arrays(4)
    arrays["mode_points"][0] = np.nan
    arrays["mode_points"][1] = np.inf
    arrays["mode_eigenvalues"][0] = np.nan
    arrays["mode_eigenvalues"][1] *= 1e6
    arrays["flow"][2] = np.inf
    arrays["modes_free_path"][:] = np.nan
    arrays["modes_inferred"][:, -3:] = -1
    found = planned(network_run(arrays))
    with theme():
        drawn = {n: draw(found[f"nbit_memory+standard+{n}"].build(), n, "").svg.decode() for n in FIGURES[2:]}
    assert "no fixed point" in drawn["rslds+flow"]
    assert "10 beyond the frame" in drawn["rslds+mode_eigenvalues"]
    assert "leaves the plot at step 1" in drawn["rslds+modes"]


def test_long_recordings_are_cut_and_say_so(network_run):
    path = np.random.default_rng(0).normal(size=(4, 3000, 2))
    arrays = {"modes_path": path, "modes_inferred": (path[..., 0] > 0).astype(int)}
    plan = planned(network_run(arrays))["nbit_memory+standard+rslds+modes"]
    assert plan.note == "Drawn: 1 of 4 example trials, 2000 steps of each"


def curve_of(**changes: object) -> Curve:
    tried = np.array([1.0, 2.0, 4.0])
    made = Curve(Style("rslds", "#0072b2"), tried, tried / 10, 2.0)
    return made._replace(**changes)


def test_the_k_curve_fills_the_chosen_k_and_marks_what_diverged():
    diverged = curve_of(style=Style("slds", "#a07400"), error=np.array([0.3, np.inf, np.nan]), chosen=np.nan)
    with theme():
        figure = k_curve("h", [curve_of(), diverged])
    for ax in figure.axes:
        filled = [line for line in ax.get_lines() if line.get_markersize() == 7 and len(line.get_xdata())]
        assert [float(line.get_xdata()[0]) for line in filled] == [2.0]
    triangles = [line for line in figure.axes[0].get_lines() if line.get_marker() == "^"]
    assert [line.get_xdata().tolist() for line in triangles] == [[], [2.0, 4.0]]


def test_traces_show_what_each_iteration_still_lacked():
    steep = Trace(Style("rslds", "#0072b2"), np.array([-1e6, 0.0, 0.9, 0.99, 1.0]))
    flat = Trace(Style("slds", "#a07400"), np.array([0.5, 0.5]))
    with theme():
        left, right = traces("h", [steep, flat]).axes
        traces("h", [flat]).canvas.draw()
    assert left.get_ylim()[0] > -1
    assert right.get_lines()[0].get_ydata() == pytest.approx([1e6 + 1, 1.0, 0.1, 0.01])
