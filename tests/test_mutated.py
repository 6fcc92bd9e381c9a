"""Files of every text format, and recordings, changed at random: each is read, or refused in one line."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import pytest
from formats import FORMATS, refused_in_one_line

FUZZED = Path(__file__).with_name("fuzzed")
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


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_changed_at_random_is_read_or_refused(kind, tmp_path):
    name, good, read, file_of = FORMATS[kind]
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    whole, dice = good(tmp_path), random.Random(kind)
    path.write_bytes(file_of(whole))
    read(path)
    said, slowest = [], 0.0
    for number in range(N):
        path.write_bytes(data := file_of(mutated(whole, dice)))
        start = time.monotonic()
        try:
            said.append(refused_in_one_line(read, path))
        except Exception as error:
            (tmp_path / "bad").write_bytes(data)
            raise AssertionError(f"change {number}, kept in {tmp_path / 'bad'}: {error!r}") from error
        slowest = max(slowest, time.monotonic() - start)
    assert sum(line is not None for line in said) > N / 3
    assert slowest < 20


@pytest.mark.parametrize(
    "found", sorted(FUZZED.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_what_fuzzing_found_is_read_or_refused(found, tmp_path):
    """`make fuzz` leaves here what a reader failed on."""
    form = FORMATS[found.parent.name]
    path = tmp_path / form.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(form.file_of(found.read_bytes()))
    refused_in_one_line(form.read, path)
