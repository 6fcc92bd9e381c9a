"""Several run folders of one suite as one: what was run apart, by seeds or on other machines."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jslds_bench.errors import UsageError
from jslds_bench.records.record import ORIGINS, Record, is_time
from jslds_bench.records.sealed import read_json, write_json
from jslds_bench.records.store import copy_record, read_arrays, read_record, record_paths
from jslds_bench.runner.folder import asked_of, locked, sweep_run
from jslds_bench.suite import Key, Suite, dump
from jslds_bench.suite.choosing import united
from jslds_bench.suite.toml import TABLES


@dataclasses.dataclass(frozen=True)
class Merged:
    """What was merged.

    Attributes:
        n_twice: jobs that several folders had.
        notes: what a reader of the result should know.
    """

    path: Path
    n_records: int
    n_twice: int
    notes: tuple[str, ...]


def merge(runs: Sequence[str | Path], out: str | Path) -> Merged:
    """Writes the records of `runs`, folders of one suite, to the folder `out`, which may be one of them.

    Of a job that several have, an ok record is taken rather than one that is not.

    Raises:
        UsageError: nothing is written then. A folder holds no run, that of another suite, other parameters
            under the same label, or damage; or two ok records of one job rest on different code or
            parameters, or hold different values, times apart.
    """
    out = Path(out).absolute()
    folders = list(dict.fromkeys(Path(run).absolute() for run in runs))
    if len(folders) < 2:
        raise UsageError(f"got {len(folders)} run folder, expected two or more to merge")
    if (out / "run.json").exists() and out not in folders:
        folders.insert(0, out)
    metas = {folder: read_json(folder / "run.json", "run") for folder in folders}
    suite = _suite_of(metas)
    taken: dict[Key, tuple[Path, Record]] = {}
    n_twice = 0
    for folder in folders:
        for path in record_paths(folder):
            record = read_record(path)
            read_arrays(path, record)
            if record.key in taken:
                n_twice += 1
                taken[record.key] = _better(taken[record.key], (path, record))
            else:
                taken[record.key] = path, record
    with locked(out):
        sweep_run(out)
        for path, record in taken.values():
            copy_record(path, record, out)
        write_json(out / "run.json", _about(list(metas.values()), suite, len(taken)))
    return Merged(out, len(taken), n_twice, _notes(metas))


def _suite_of(metas: dict[Path, dict[str, Any]]) -> Suite:
    """What all were asked for together."""
    first = next(iter(metas))
    suite: Suite | None = None
    for folder, meta in metas.items():
        if meta["suite"] != metas[first]["suite"]:
            raise UsageError(
                f"{folder} holds a run of suite {meta['suite']!r}, {first} one of {metas[first]['suite']!r}: "
                "merge runs of one suite"
            )
        asked = asked_of(meta, folder)
        if asked is None:
            raise UsageError(f"{folder}/run.json does not say which suite was run")
        if suite is not None and asked.n_trials != suite.n_trials:
            raise UsageError(
                f"{folder} was scored on {asked.n_trials} trials of each task, {first} on {suite.n_trials}: "
                "their means cannot be taken together"
            )
        for kind in TABLES if suite is not None else ():
            entries = {entry.label: entry for entry in getattr(suite, kind)}
            for entry in getattr(asked, kind):
                other = entries.get(entry.label, entry)
                if (other.name, other.parameters) != (entry.name, entry.parameters):
                    raise UsageError(
                        f"{folder} and {first} have different parameters of {kind[:-1]} {entry.label!r}: "
                        "give one of them another label"
                    )
        suite = united(asked, suite)
    assert suite is not None
    return suite


def _better(one: tuple[Path, Record], other: tuple[Path, Record]) -> tuple[Path, Record]:
    """Of two records of one job the one to keep."""
    (path, a), (twin, b) = one, other
    if a.status != "ok" or b.status != "ok":
        return other if b.status == "ok" else one
    if a.digest != b.digest:
        raise UsageError(
            f"{path} and {twin} are of one job, but of different code or parameters: delete one of them"
        )
    for name in sorted({*a.values, *b.values}):
        ours, theirs = (record.values.get(name) for record in (a, b))
        if repr(ours) != repr(theirs) and not is_time((ours or theirs).unit):  # type: ignore[union-attr]
            said = [None if value is None else value.value for value in (ours, theirs)]
            raise UsageError(f"{path} and {twin} contradict each other in {name}: {said[0]} and {said[1]}")
    return one


def _about(metas: list[dict[str, Any]], suite: Suite, n_jobs: int) -> dict[str, Any]:
    """What run.json says of them together; its seconds are the sum of theirs."""
    ended = [meta.get("finished") for meta in metas]
    seconds = [meta.get("seconds") for meta in metas]
    began = [meta["started"] for meta in metas if meta.get("started")]
    return {
        "suite": suite.name,
        "suite_text": dump(suite),
        "environment": metas[0].get("environment", {}),
        "started": min(began, default=None),
        "finished": None if None in ended else max(map(str, ended)),
        "seconds": None if None in seconds else sum(map(float, seconds)),  # type: ignore[arg-type]
        "workers": None,
        "jobs": n_jobs,
    }


def _notes(metas: dict[Path, dict[str, Any]]) -> tuple[str, ...]:
    """Where the runs' environments differ."""
    notes = []
    for name in ORIGINS:
        values = list(dict.fromkeys(str(meta.get("environment", {}).get(name)) for meta in metas.values()))
        if len(values) > 1:
            notes.append(f"{name} differs: {', '.join(values)}")
    return tuple(notes)
