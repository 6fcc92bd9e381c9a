"""Files of every text format, and recordings, changed at random: each is read, or refused in one line."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from nwb_files import write_nwb

import jslds_bench
from jslds_bench.compare import read_side
from jslds_bench.errors import UsageError
from jslds_bench.nwb import read_session
from jslds_bench.records import store
from jslds_bench.records.record import Record, Value
from jslds_bench.reproduce.claims import read_claims
from jslds_bench.runner.outcome import blank_record
from jslds_bench.suite import load_suite, resolve

ROOT = Path(jslds_bench.__file__).parents[1]
N = 120  # of each kind
WORDS = [
    *("nan", "inf", "-1", "0", "1e999", "9" * 400, "true", '""', '"\\u001b[2J"', "[]", "{}", "null", "[[[["),
    *(
        "[" * 100_000,
        "'''",
        "\x1b[2J",
        "\x00",
        "\udce9",
        "=",
        "\n[[models]]\n",
        "\n[x]\n",
        "1979-05-27",
        "../../x",
    ),
]


def mutated(data: bytes, dice: random.Random) -> bytes:
    """`data` cut, with bytes or words of it changed, doubled, moved or lost."""
    for _ in range(dice.choice([1, 1, 1, 2, 5])):
        i, j = sorted(dice.randrange(len(data) + 1) for _ in range(2))
        near = min(j, i + dice.randrange(1, 40))
        match dice.randrange(7):
            case 0:
                data = data[:i]
            case 1:
                data = data[:i] + data[near:]
            case 2:
                data = data[:near] + data[i:near] + data[near:]
            case 3:
                data = data[:i] + bytes([dice.randrange(256)]) + data[i + 1 :]
            case 4:
                data = data[:i] + dice.choice(WORDS).encode(errors="surrogateescape") + data[i:]
            case _:  # a word or number of its own becomes another
                found = list(re.finditer(rb"[A-Za-z0-9_.+-]+|\"[^\"\n]*\"", data))
                if found:
                    word = dice.choice(found)
                    new = dice.choice(WORDS).encode(errors="surrogateescape")
                    data = data[: word.start()] + new + data[word.end() :]
        if not data:
            return data
    return data


def planned(path: Path) -> object:
    return resolve(load_suite(path))


def suite(path: Path) -> None:
    path.write_bytes((ROOT / "suites/smoke.toml").read_bytes())


def baseline(path: Path) -> None:
    path.write_bytes((ROOT / "baselines/smoke.toml").read_bytes())


def claims(path: Path) -> None:
    path.write_bytes((ROOT / "suites/claims/paper.toml").read_bytes())


def record(path: Path) -> None:
    job = resolve(load_suite("smoke")).jobs[0]
    values = {"skill": Value(0.5, "1", "higher"), "nrmse": Value(None, "1", "higher", "not timed")}
    made: Record = blank_record(job, "ok", None, {"commit": "x", "threads": 1})
    made = Record(**{**vars(made), "values": values, "series": {"error": [0.1, 0.2]}})
    store.write_record(path.parents[4], made, {})
    store.record_path(path.parents[4], made.key).replace(path)


def signed(data: bytes) -> bytes:
    """A record whose checksum is right, where it is one."""
    try:
        body = json.loads(data)
        body.pop("checksum")
        return store._sealed(json.dumps(body, indent=1)).encode()
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return data


KINDS: dict[str, tuple[str, Callable, Callable]] = {
    "suite": ("suite.toml", suite, planned),
    "baseline": ("baseline.toml", baseline, read_side),
    "claims": ("claims.toml", claims, read_claims),
    "record": ("run/records/perturbations/analytic/dmdc/seed-0.json", record, store.read_record),
    "recording": ("session.nwb", write_nwb, lambda path: read_session(str(path))),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_changed_at_random_is_read_or_refused(kind, tmp_path):
    name, write, read = KINDS[kind]
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path)
    whole, dice = path.read_bytes(), random.Random(kind)
    read(path)
    said, slowest = [], 0.0
    for number in range(N):
        data = mutated(whole, dice)
        if kind == "record" and number % 3:
            data = signed(data)
        path.write_bytes(data)
        start = time.monotonic()
        try:
            read(path)
        except UsageError as error:
            said.append(str(error))
        except Exception as error:
            (tmp_path / "bad").write_bytes(data)
            raise AssertionError(f"change {number}, kept in {tmp_path / 'bad'}: {error!r}") from error
        slowest = max(slowest, time.monotonic() - start)
    assert len(said) > N / 3
    assert all(line.isprintable() and len(line) < 1500 for line in said), max(said, key=len)[:300]
    assert slowest < 20
