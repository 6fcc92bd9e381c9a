"""The report of models of spikes: what is drawn, matched, said, and left out."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from spike_runs import (
    BIN,
    LEVELS,
    PLANTED,
    SYNTHETIC,
    UNITS,
    Arrays,
    arrays_of,
    spike_arrays,
    spike_record,
    write_spikes,
)
from switching_runs import write_recorded

from jslds_bench.records.numbers import ARROWS
from jslds_bench.records.record import Record
from jslds_bench.records.store import write_record
from jslds_bench.report import build_table, write_report
from jslds_bench.report.data.arrays import check_arrays
from jslds_bench.report.data.run import RunData, load_data
from jslds_bench.report.facts import key_lines
from jslds_bench.report.figures.rotations import Rotations, angles, disc, matches, pairs, panels, strips
from jslds_bench.report.figures.rotations import rotations as draw_rotations
from jslds_bench.report.figures.spikes import Curve, Trial, jpc_planes, ramp, rates
from jslds_bench.report.page import render
from jslds_bench.report.plans.every import plans
from jslds_bench.report.plans.plan import Plan
from jslds_bench.report.settings.spikes import SHAPES
from jslds_bench.report.style import CONDITION_COLORS, INK, THEME, Style, theme

WHERE = "spiking_rotations+data+"
STYLE = Style("lfads_jslds", "#0072b2")


@pytest.fixture
def one_run(write_run: Callable[..., Path]) -> Callable[..., Path]:
    """A run of one record on spikes, with these arrays."""

    def make(arrays: Arrays, **changes: object) -> Path:
        run = write_run([], suite_text="")
        record = spike_record(**changes)  # type: ignore[arg-type]
        write_record(run, record, arrays)
        return run

    return make


def planned(run: Path) -> dict[str, Plan]:
    return {plan.name: plan for plan in plans(load_data(run))}


def texts(figure: Figure) -> str:
    return "\n".join(t.get_text() for t in figure.findobj(Text))


def page_text(data: RunData) -> str:
    """The page without its figures."""
    return render(data, build_table(data), [])


def built(plan: Plan) -> Figure:
    assert plan.build is not None
    with theme():
        return plan.build()


def test_the_page_of_a_run_on_spikes(write_run):
    run = write_spikes(write_run([], suite_text=""))
    text = write_report(run).read_text()
    for absent in ("No figure", "mode accuracy", "Network × model", "Error by step", "EM iteration", "h₀"):
        assert absent not in text
    assert text.count(f'<p class="note">{SYNTHETIC}</p>') == 1
    assert "Most co-smoothing bits per spike – spiking_rotations: lfads_jslds 0.3" in text
    made = {p.stem.removeprefix("spiking_rotations+") for p in (run / "figures").glob("*.svg")}
    kinds = {"lfads_jslds": ("rates", "psths", "jpca", "states", "rotations", "fit")}
    kinds |= {"lfads": kinds["lfads_jslds"], "lds": kinds["lfads_jslds"], "smoothing": ("rates", "psths")}
    assert made == {"headline", "scores"} | {
        f"data+{model}+{kind}" for model, names in kinds.items() for kind in names
    }
    for file in (run / "figures").glob("*.svg"):
        assert ET.parse(file).getroot().tag.endswith("svg")


def test_spikes_of_an_animal_are_not_called_synthetic(write_run):
    run = write_spikes(write_run([], suite_text=""), "spiking_rotations", seeds=1, entry="maze")
    data = load_data(write_spikes(run, "maze", seeds=1, entry="spiking_rotations"))
    captions = {plan.name: SYNTHETIC in plan.caption for plan in plans(data)}
    assert {name for name, said in captions.items() if said} == {
        "maze+scores", *(f"maze+data+{model}+rates" for model in LEVELS)
    }  # fmt: skip
    text = page_text(data)
    assert text.count(f'<p class="note">{SYNTHETIC}</p>') == text.count(SYNTHETIC) == 1


def test_scores_show_the_headline_metrics_that_there_are(write_run):
    run = write_spikes(write_run([], suite_text=""))
    scores = texts(built(planned(run)["spiking_rotations+scores"]))
    for name, (unit, better) in UNITS.items():
        assert f"{name} {ARROWS[better]}{f' [{unit}]' * bool(unit)}" in scores
    assert {c.metric for c in build_table(load_data(run)).columns} == set(UNITS)


def test_spikes_beside_networks_and_switching_data(write_run, make):
    run = write_spikes(write_recorded(write_run([make()], suite_text=""), ("nascar",), seeds=1), seeds=1)
    data = load_data(run)
    ranked_by = [data.ranked_by(task) for task in ("nbit_memory", "nascar", "spiking_rotations")]
    assert [(c.metric, c.better) for c in ranked_by] == [
        ("relative_error", "lower"),
        ("mode_accuracy", "higher"),
        ("co_bits_per_spike", "higher"),
    ]
    assert data.best_models("spiking_rotations", "data", 2) == ["lfads", "lfads_jslds"]
    assert len(key_lines(data)) == 3
    names = planned(run).keys()
    assert "nascar+data+rslds+modes" in names
    assert "nascar+data+objective" in names
    assert "spiking_rotations+data+objective" not in names
    assert "mode accuracy is" in page_text(data)
    assert "bits per spike are" in page_text(data)


@pytest.mark.parametrize("missing", sorted(n for n in SHAPES if n.startswith("spikes_")))
def test_a_missing_array_leaves_at_most_its_own_figure_out(one_run, missing):
    arrays = spike_arrays()
    del arrays[missing]
    found = planned(one_run(arrays))
    whole = {"rates", "psths", "jpca", "states", "rotations", "fit"}
    gone = {
        "spikes_example_rates": {"rates"},
        "spikes_psth": {"psths"},
        "spikes_jpca_projection": {"jpca"},
        "spikes_states": {"states"},
    }.get(missing, set())
    assert {n.removeprefix(f"{WHERE}lfads_jslds+") for n in found if n.startswith(WHERE)} == whole - gone
    noted = {"spikes_time": {"rates", "psths"}, "spikes_psth_data": {"psths"}}.get(missing, set())
    for name in whole - gone:
        plan = found[f"{WHERE}lfads_jslds+{name}"]
        if name in noted:
            assert plan.build is None
            assert plan.note == f"the records hold no {missing}"
        else:
            assert built(plan).axes


def test_ill_shaped_and_damaged_arrays_are_named(one_run):
    arrays = spike_arrays()
    arrays["spikes_states"] = arrays["spikes_states"][:, :-1]
    arrays["spikes_jpca_frequencies"] = arrays["spikes_jpca_frequencies"] * 1j
    run = one_run(arrays)
    note = planned(run)[f"{WHERE}lfads_jslds+ill_shaped"].note
    assert "spikes_states has shape (3, 70, 3) of float64, expected [B, T1, 3]" in note
    assert "spikes_jpca_frequencies has shape (3,) of complex128, expected [Q]" in note
    (file,) = (run / "records").rglob("*.npz")
    file.write_bytes(file.read_bytes()[:200])
    found = planned(run)
    assert "are not those that were written with seed-0.json" in found[f"{WHERE}lfads_jslds+ill_shaped"].note
    assert "No figure: some of the arrays of lfads_jslds" in write_report(run).read_text()


def test_a_jslds_has_both_branches_and_other_models_one(one_run):
    both = texts(built(planned(one_run(spike_arrays()))[f"{WHERE}lfads_jslds+rates"])).splitlines()
    assert {"RNN branch", "linear branch", "true rates", "spikes"} <= set(both)
    assert {"unit 3, trial 1", "unit 101, trial 2"} <= set(both)
    one = arrays_of("smoothing")
    del one["spikes_example_rates_true"]
    shown = texts(built(planned(one_run(one, model="smoothing"))[f"{WHERE}smoothing+rates"])).splitlines()
    assert "rates" in shown
    assert not {"RNN branch", "linear branch", "true rates"} & set(shown)


def test_every_bin_with_spikes_has_one_tick():
    time, counts = np.arange(6.0), np.array([0, 1, 2, 0, 9, np.nan])
    with theme():
        figure = rates("h", time, [Trial("a", [Curve("rates", np.ones(6), INK)], counts)])
    ax = figure.axes[0]
    ticks = (
        next(line for line in ax.get_lines() if np.isnan(line.get_ydata()).any())
        .get_xydata()
        .reshape(-1, 3, 2)
    )
    assert ticks[:, 0, 0].tolist() == [1, 2, 4]
    heights = ticks[:, 1, 1] - ticks[:, 0, 1]
    assert (np.diff(heights) > 0).all()
    assert ticks[:, 1, 1].max() < 0
    assert ticks[:, 0, 1].min() > ax.get_ylim()[0]


def test_numbers_that_are_not_finite_are_left_out(one_run):
    arrays = spike_arrays()
    arrays["spikes_example_rates"][0] = np.nan
    arrays["spikes_example_rates_jslds"][0, 3:9] = np.inf
    arrays["spikes_example_rates_true"][0] = np.nan
    arrays["spikes_example_rates_jslds"][1] = np.nan
    arrays["spikes_psth"][0, :4] = np.nan
    arrays["spikes_psth_data"][..., 1] = np.nan
    arrays["spikes_jpca_projection"][0] = np.nan
    arrays["spikes_jpca_frequencies"][0] = np.nan
    arrays["spikes_jpca_r2"][:] = np.nan
    arrays["spikes_linear_states"][0, 5:] = np.inf
    arrays["spikes_expansion_points"][0] = np.nan
    arrays["spikes_eigenvalue_cloud"][:5] = np.nan
    arrays["spikes_eigenvalue_cloud"][5, :3] = 40
    arrays["spikes_plane_frequencies"][1] = np.nan
    arrays["spikes_plane_eigenvalues"][1] = np.nan
    arrays["spikes_jpca_angles"][1] = np.nan
    arrays["spikes_jpca_angles_null"][:] = np.nan
    arrays["spikes_true_frequencies"][0] = np.nan
    page = write_report(one_run(arrays))
    assert len(list((page.parent / "figures").glob(f"{WHERE}*.svg"))) == 6
    found = planned(page.parent)
    assert "not finite: RNN branch, true rates\n" in texts(built(found[f"{WHERE}lfads_jslds+rates"])) + "\n"
    plan = found[f"{WHERE}lfads_jslds+rotations"]
    assert "random planes" not in plan.caption
    assert "3 beyond the frame" in texts(built(plan))
    assert "chance" not in texts(built(plan))
    assert "leaves the plot at t = 5" in texts(built(found[f"{WHERE}lfads_jslds+states"]))


def test_all_arrays_full_of_nan_still_make_a_page(one_run):
    arrays = {name: np.full_like(array, np.nan) if array.dtype.kind in "fc" else array
              for name, array in spike_arrays().items()}  # fmt: skip
    found = planned(one_run(arrays))
    write_report(one_run(arrays))
    assert "not finite: RNN branch, linear branch" in texts(built(found[f"{WHERE}lfads_jslds+rates"]))
    assert f"{WHERE}lfads_jslds+rotations" not in found


@pytest.mark.parametrize("letters", ["B", "Y", "T", "CF", "WQ", "X", "HAV"])
def test_arrays_of_no_length_leave_their_figures_out(one_run, letters):
    length = dict.fromkeys(letters, 0) | ({"T1": 1} if letters == "T" else {})
    arrays = {
        name: array[
            tuple(slice(length.get(letter)) for letter in SHAPES[name].removesuffix(" complex").split())
        ]
        for name, array in spike_arrays().items()
    }
    assert not check_arrays(arrays, SHAPES).notes
    assert "No figure" not in write_report(one_run(arrays)).read_text()


def test_a_single_condition_and_no_condition(one_run):
    single = spike_arrays()
    single["spikes_psth"], single["spikes_psth_data"] = (
        single["spikes_psth"][:1],
        single["spikes_psth_data"][:1],
    )
    single["spikes_jpca_projection"] = single["spikes_jpca_projection"][:1]
    found = planned(one_run(single))
    assert "Mean rates of 1 sample condition:" in found[f"{WHERE}lfads_jslds+psths"].caption
    assert len(built(found[f"{WHERE}lfads_jslds+jpca"]).axes) == 2
    none = {n: a for n, a in single.items() if "psth" not in n and "jpca" not in n}
    names = planned(one_run(none)).keys()
    assert not [n for n in names if n.endswith(("+psths", "+jpca", "ill_shaped"))]


def test_labels_with_odd_characters(write_run):
    run = write_run([], suite_text="")
    task, model = 'ma/ze $x_1$ <b>&"', "_lf\nads <i> 模型 " + "x" * 40
    write_record(run, spike_record(task, model, entry="spiking_rotations"), spike_arrays())
    page = write_report(run)
    assert SYNTHETIC in page.read_text()
    assert "<b>" not in page.read_text()
    files = list((page.parent / "figures").glob("*.svg"))
    assert len(files) == 7
    for file in files:
        ET.parse(file)


def test_conditions_are_coloured_by_where_they_start():
    turn = np.exp(1j * np.linspace(0, 2, 9))
    starts = np.array([0.3, -2.0, 1.0, 5.0])
    path = starts[:, None] * turn
    projection = np.stack([path.real, path.imag, path.real, path.imag], axis=-1)
    with theme():
        left, right = jpc_planes("h", projection, np.array([1.5, np.nan])).axes
    lines = [line for line in left.get_lines() if len(line.get_xdata()) == 9]
    assert [line.get_xdata()[0] for line in lines] == sorted(starts)
    assert [line.get_color() for line in lines] == ramp(4)
    assert "1.50 Hz" in texts(left.figure)
    x, y = np.diff(left.get_xlim())[0], np.diff(left.get_ylim())[0]
    box = left.get_window_extent()
    assert x / box.width == pytest.approx(y / box.height)
    assert right.get_xlabel() == "jPC 3"


def test_the_ramp_goes_from_end_to_end():
    assert ramp(1) == [CONDITION_COLORS[0]]
    assert ramp(8) == list(CONDITION_COLORS)
    long = ramp(108)
    assert (long[0], long[-1]) == (CONDITION_COLORS[0], CONDITION_COLORS[-1])
    order = [CONDITION_COLORS.index(c) for c in long]
    assert order == sorted(order)
    assert len(set(THEME.values()) - {None}) == len(THEME) == len(set(THEME))


def test_planes_are_matched_at_least_total_angle():
    cost = np.array([[10.0, 20.0, 80.0], [12.0, 60.0, 70.0], [90.0, 85.0, 88.0], [89.0, 89.0, 30.0]])
    best = min(
        itertools.permutations(range(4), 3), key=lambda rows: sum(cost[r, c] for c, r in enumerate(rows))
    )
    assert matches(cost) == sorted((r, c) for c, r in enumerate(best)) == [(0, 1), (1, 0), (3, 2)]
    cost[3] = np.nan
    assert all(np.isfinite(cost[r, c]) for r, c in matches(cost))
    assert matches(np.full((2, 2), np.nan)) == []
    assert matches(np.zeros((0, 3))) == []


def test_matched_pairs_are_joined_and_framed():
    found = Rotations(
        STYLE,
        BIN,
        pairs=0.98 * np.exp(2j * np.pi * BIN * np.array([2.0, 0.7])),
        pair_hertz=np.array([2.0, 0.7]),
        jpc_hertz=np.array([0.6, 1.9]),
        angles=np.array([[70.0, 12.4], [35.0, 80.0]]),
        planted_hertz=np.array(PLANTED),
    )
    assert panels(found) == [pairs, angles, strips]
    with theme():
        close, matrix, rows = draw_rotations("h", found).axes
    joined = {tuple(line.get_ydata()) for line in close.get_lines() if len(line.get_ydata()) == 2}
    jpc = np.exp(2j * np.pi * BIN * np.array([0.6, 1.9]))
    assert (found.pairs[0].imag, jpc[1].imag) in joined
    assert (found.pairs[1].imag, jpc[0].imag) in joined
    frames = [p.get_xy() for p in matrix.patches if p.get_facecolor()[3] == 0]
    assert {(round(x), round(y)) for x, y in frames} == {(1, 0), (0, 1)}
    assert {t.get_text() for t in matrix.texts} == {"70", "12", "35", "80"}
    ends = {tuple(line.get_xdata()) for line in rows.get_lines() if len(line.get_xdata()) == 2}
    assert ends >= {(2.0, 1.9), (0.7, 0.6), (2.0, 2.0)}


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        ({"eigenvalues"}, [disc]),
        ({"cloud"}, [disc]),
        ({"pairs", "pair_hertz"}, [pairs]),
        ({"pair_hertz", "jpc_hertz"}, [strips]),
        ({"jpc_hertz", "planted_hertz"}, [strips]),
        ({"angles"}, [angles]),
        ({"jpc_hertz"}, []),
    ],
)
def test_only_panels_that_have_something_are_drawn(kept, shown):
    values = {
        "eigenvalues": np.exp([0.5j, -0.5j]),
        "cloud": np.exp(1j * np.ones((4, 2))),
        "pairs": np.exp([0.1j]),
        "pair_hertz": np.array([1.0]),
        "jpc_hertz": np.array([1.1, 2.0]),
        "angles": np.array([[20.0, 60.0]]),
        "planted_hertz": np.array([1.0]),
    }
    found = Rotations(STYLE, None, **{name: values[name] for name in kept})
    assert panels(found) == shown
    if shown:
        with theme():
            assert len(draw_rotations("h", found).axes) == len(shown)


def test_failed_jobs_on_spikes_are_listed(write_run):
    run = write_spikes(write_run([], suite_text=""), seeds=1)
    failed: Record = spike_record(model="rslds", status="failed", reason="why", values={}, series={})
    write_record(run, failed, {})
    assert "<td>why</td>" in page_text(load_data(run))
    assert not [n for n in planned(run) if "+rslds+" in n]
