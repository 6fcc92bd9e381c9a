"""Records that were tampered with, cut off, or are none are refused in words."""

import contextlib
import json
import os
import re
from pathlib import Path

import pytest
from example import GOLDEN, a_record

from jslds_bench.errors import UsageError
from jslds_bench.records import sealed, store
from jslds_bench.records.sealed import write_json
from jslds_bench.records.store import (
    read_head,
    read_record,
    write_record,
)


def rewritten(path: Path, change) -> None:
    body = json.loads(path.read_text())
    change(body)
    path.write_text(json.dumps(body))


def resigned(path: Path, change) -> None:
    """Changes the body and gives it a valid checksum, as another version of the program would."""
    body = json.loads(path.read_text())
    body.pop("checksum")
    change(body)
    write_json(path, body)


def refused(path: Path, read=read_record) -> str:
    with pytest.raises(UsageError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_tampering_is_noticed(stored):
    rewritten(stored, lambda b: b["values"]["skill"].update(value=0.51))
    assert "was changed after it was written" in refused(stored)
    rewritten(stored, lambda b: b.pop("checksum"))
    assert "was changed after it was written" in refused(stored)


def test_a_head_is_taken_only_where_the_record_would_be(stored):
    head = ("ok", "00ff", "")
    whole = stored.read_text()
    assert read_head(stored) == head
    for damaged in (whole[:-1], whole.replace("0.5", "0.6"), whole + " ", whole[:400], "", "[]", "\n" * 99):
        stored.write_text(damaged)
        assert refused(stored, read_head) == refused(stored)
    for change in (
        lambda b: b.update(seed=4),
        lambda b: b.update(seed="3"),
        lambda b: b.update(status=["ok"]),
        lambda b: b.pop("digest"),
        lambda b: b.update(schema=5),
    ):
        stored.write_text(whole)
        resigned(stored, change)
        assert refused(stored, read_head) == refused(stored)
    stored.write_text(whole)
    resigned(stored, lambda b: b.update(detail={'\n "status": ': 1, "status": "failed", "digest": "x"}))
    assert read_head(stored) == head  # what stands further in is none of the head
    old = GOLDEN.parent / "settings-3"
    for path in store.record_paths(old):
        record = read_record(path)
        assert read_head(path) == (record.status, record.digest, record.arrays)


def test_another_schema_is_refused_before_anything_else(stored):
    rewritten(stored, lambda b: b.update(schema=5, digest=None))
    assert "has schema 5, this version reads schema 4" in refused(stored)
    rewritten(stored, lambda b: b.pop("schema"))
    assert "has schema None" in refused(stored)


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b.pop("digest"),
        lambda b: b.pop("setting"),
        lambda b: b.update(extra=1),
        lambda b: b.update(values=[1, 2]),
        lambda b: b["values"].update(skill=3),
        lambda b: b["values"].update(skill={"value": 3}),
        lambda b: b.update(seed="3"),
        lambda b: b.update(seed=True),
        lambda b: b.update(status="fine"),
        lambda b: b.update(task=["memory"]),
        lambda b: b.update(reason=3),
        lambda b: b.update(arrays=3),
        lambda b: b.update(parameters=[]),
        lambda b: b["parameters"].update(model="jslds"),
        lambda b: b.update(detail=None),
        lambda b: b["series"].update(horizon_free_run=["1"]),
        lambda b: b["series"].update(horizon_free_run=1.0),
        lambda b: b["values"]["skill"].update(value="much"),
        lambda b: b["values"]["skill"].update(value=True),
        lambda b: b["values"]["skill"].update(order="first"),
        lambda b: b["values"]["skill"].update(headline=1),
        lambda b: b["values"]["skill"].update(unit=None),
    ],
)
def test_other_fields_are_refused(stored, change):
    resigned(stored, change)
    assert "delete it to have it made anew" in refused(stored)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema": 1}', b"[" * 200_000, b"1" * 10_000],
)
def test_what_is_no_record_is_refused(stored, content):
    stored.write_bytes(content)
    refused(stored)


def test_every_truncation_is_refused(stored):
    whole = stored.read_bytes()
    for length in range(0, len(whole) - 1, 37):
        stored.write_bytes(whole[:length])
        refused(stored)


def test_a_record_is_that_of_its_place(stored):
    elsewhere = [stored.with_name("seed-7.json"), stored.parents[1] / "slds" / stored.name]
    elsewhere += [stored.parents[3] / "another" / Path(*stored.parts[-3:])]
    for path in elsewhere:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(stored.read_bytes())
        said = refused(path)
        assert "is that of memory · plain · jslds, seed 3, and was copied here; delete it" in said


def test_text_that_no_encoding_takes_is_kept_as_its_code(stored):
    run = stored.parents[4]
    write_record(run, a_record(reason="half a pair: \udc80", detail={"\udfff": "x"}), {})
    record = read_record(stored)
    assert (record.reason, record.detail) == ("half a pair: \\udc80", {"\\udfff": "x"})
    body = json.loads(stored.read_text())
    body.pop("checksum")
    body["reason"] = "\udc80"
    stored.write_text(sealed.seal(json.dumps(body, indent=1)))
    assert "holds text that is no Unicode" in refused(stored)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), os.mkdir])
def test_what_is_no_file_is_refused_at_once(stored, make):
    stored.unlink()
    make(stored)
    assert re.search("it is a (folder|pipe or a device)", refused(stored))


def nested(depth: int):
    return [nested(depth - 1)] if depth else {"float": "inf"}


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.update(reason="\udc80"),
        lambda body: body.update(detail={"x": nested(900)}),
        lambda body: body.update(seed="3"),
    ],
)
@pytest.mark.parametrize("upper", [False, True])
def test_sealed_records_of_odd_content_are_refused_in_words(stored, change, upper):
    body = json.loads(stored.read_text())
    body.pop("checksum")
    change(body)
    text = json.dumps(body, indent=1, sort_keys=True)
    stored.write_text(sealed.seal(text.replace("\\udc80", "\\uDC80") if upper else text))
    refused(stored)
    with contextlib.suppress(UsageError):  # nothing else
        read_head(stored)


def test_a_head_whose_line_holds_two_members_is_read_whole(stored):
    text = stored.read_text().replace('"status": "ok",\n', '"status": "ok", "x": "y",\n')
    stored.write_text(sealed.seal("{\n" + text.split("\n", 2)[2]))
    with pytest.raises(UsageError, match="lacks or adds fields"):
        read_head(stored)
