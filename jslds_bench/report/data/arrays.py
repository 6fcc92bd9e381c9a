"""The figure arrays of a record, checked: what has the wrong shape is left out, with a note saying so."""

from __future__ import annotations

import dataclasses
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jslds_bench.records.store import read_arrays

SHAPES = {
    "example_states": "E T1 N",
    "example_inputs": "E T U",
    "example_targets": "E T O",
    "example_u_star": "E",
    "example_free_run": "E T1 N",
    "example_one_step": "E T N",
    "mask": "T",
    "readout_w": "N O",
    "readout_b": "O",
    "pca_mean": "N",
    "pca_axes": "D N",
    "expansion": "M N",
    "expansion_u_star": "M",
    "model_points": "P N",
    "model_points_u_star": "P",
    "network_points": "R N",
    "network_points_u_star": "R",
    "network_points_q": "R",
    "network_points_n_unstable": "R",
    "eigenvalues": "K N",
    "network_eigenvalues": "K N",
    "modes_path": "E S 2",
    "modes_true": "E S",
    "modes_inferred": "E S",
    "modes_inferred_path": "E S 2",
    "modes_free_path": "E S 2",
    "modes_free": "E S",
    "mode_points": "Z 2",
    "mode_real": "Z",
    "mode_eigenvalues": "Z L",
    "flow_at": "G 2",
    "flow": "Z G 2",
    "flow_mode": "G",
    "spikes_time": "T",
    "spikes_bin": "",
    "spikes_example_counts": "B T Y",
    "spikes_example_rates": "B T Y",
    "spikes_example_rates_jslds": "B T Y",
    "spikes_example_rates_true": "B T Y",
    "spikes_example_units": "Y",
    "spikes_psth": "F T Y",
    "spikes_psth_data": "F T Y",
    "spikes_jpca_projection": "C J 4",
    "spikes_jpca_frequencies": "Q",
    "spikes_jpca_r2": "2",
    "spikes_states": "B T1 3",
    "spikes_linear_states": "B T1 3",
    "spikes_expansion_points": "B T 3",
    "spikes_fixed_points": "X 3",
    "spikes_eigenvalues": "H",
    "spikes_eigenvalue_cloud": "A V",
    "spikes_plane_frequencies": "W",
    "spikes_plane_eigenvalues": "W",
    "spikes_jpca_angles": "W Q",
    "spikes_jpca_angles_null": "2",
    "spikes_true_frequencies": "I",
}
"""Name → dimensions; equal letters are equal sizes within one record, and T1 = T + 1.

From ``modes_path`` to ``flow_mode`` they are a switching model's: Z modes, S steps of the example trials and
a grid of G points, all in the plane of the first two coordinates (of the network's principal components, or
of the true states).

Those named ``spikes_`` are of a model of spiking data: B example trials of T bins, Y sample units, F sample
conditions; times in s, rates in spikes/s. C condition means at J times are on the axes of the first two of Q
jPC planes; states, and X fixed points, are in the first three principal components of the generator's states.
There are H eigenvalues of the mean linear system, the V largest at each of A sampled steps, W leading complex
pairs, and I planted frequencies, Hz. Angles are in degrees; those of chance: 5th percentile and median.
"""

WHOLE = ("modes_true", "modes_inferred", "modes_free", "flow_mode")
"""Those that hold mode numbers, −1 where there is none."""


@dataclasses.dataclass(frozen=True)
class Arrays:
    """The usable arrays of one record, by name, and one line for each that is not usable."""

    found: Mapping[str, np.ndarray]
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> np.ndarray:
        return self.found[name]

    def __contains__(self, name: str) -> bool:
        return name in self.found

    def missing(self, *names: str) -> list[str]:
        """Those of `names` that the record lacks."""
        return [n for n in names if n not in self.found]


def load_arrays(path: Path) -> Arrays:
    """The arrays beside the record at `path`; damaged or ill-shaped ones become notes, never errors."""
    file = path.with_suffix(".npz")
    try:
        if file.exists() and not zipfile.is_zipfile(file):
            raise zipfile.BadZipFile("not a whole archive")
        raw = read_arrays(path)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        return Arrays({}, (f"the figure arrays beside {path.name} cannot be read ({error})",))
    return check_arrays(raw)


def check_arrays(raw: Mapping[str, np.ndarray]) -> Arrays:
    """Those of `raw` that have the shapes of `SHAPES`, consistently; unknown names are ignored."""
    sizes = {digit: int(digit) for digit in "234"}
    found, notes = {}, []
    for name, letters in SHAPES.items():
        if name not in raw:
            continue
        array, axes = raw[name], letters.split()
        known = [sizes.get(letter, n) for letter, n in zip(axes, array.shape, strict=False)]
        kinds = "iu" if name in WHOLE else "fiubc" if "eigenvalue" in name else "fiub"
        if array.dtype.kind not in kinds or array.ndim != len(axes) or list(array.shape) != known:
            wanted = f"[{', '.join(axes)}]" + (" of integers" if name in WHOLE else "")
            notes.append(f"{name} has shape {array.shape} of {array.dtype}, expected {wanted}")
            continue
        sizes.update(zip(axes, array.shape, strict=True))
        if "T1" in sizes:
            sizes["T"] = sizes["T1"] - 1
        elif "T" in sizes:
            sizes["T1"] = sizes["T"] + 1
        found[name] = array
    return Arrays(found, tuple(notes))
