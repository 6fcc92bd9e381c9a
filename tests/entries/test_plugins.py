"""Plug-in files: loaded once, when they are named, and reported when they do not import."""

from pathlib import Path

import pytest

from jslds_bench.entries import plugins
from jslds_bench.entries.foreign import Foreign
from jslds_bench.errors import BrokenPlugin, UsageError


def test_a_plug_in_is_imported_once_by_whatever_path(tmp_path: Path, monkeypatch):
    (tmp_path / "mine.py").write_text("with open('ran', 'a') as file:\n    file.write('x')\n")
    monkeypatch.chdir(tmp_path)
    assert plugins.load("mine.py") is plugins.load(tmp_path / "." / "mine.py")
    assert (tmp_path / "ran").read_text() == "x"


def test_two_plug_ins_of_one_name_in_two_folders_are_two(tmp_path: Path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(f"here = {folder!r}\n")
    assert [plugins.load(tmp_path / folder / "mine.py").here for folder in ("a", "b")] == ["a", "b"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1 +\n", "could not be imported: SyntaxError: invalid syntax (mine.py, line 1)"),
        (
            "import no_such_module\n",
            "could not be imported: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("raise SystemExit(0)\n", "could not be imported: SystemExit: 0"),
        (None, "no such file"),
    ],
)
def test_what_does_not_import_is_reported_and_can_be_mended(source, expected, tmp_path: Path):
    file = tmp_path / "mine.py"
    if source is not None:
        file.write_text(source)
    with pytest.raises(UsageError) as caught:
        plugins.load(file)
    assert str(caught.value).startswith(f"plug-in {file}")
    assert str(caught.value).endswith(expected)
    file.write_text("fixed = True  # and longer than before\n")
    assert plugins.load(file).fixed


def test_only_python_files_are_plug_ins(tmp_path: Path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UsageError, match=r"not a \.py file"):
        plugins.load(tmp_path / "mine.txt")


class _Mute(Exception):
    def __str__(self) -> str:
        return 3  # type: ignore[return-value]


@pytest.mark.parametrize("error", [_Mute(), SystemExit(2), GeneratorExit(), BaseException("any")])
def test_whatever_code_of_others_raises_is_the_reason_of_its_own(error):
    def call():
        raise error

    with pytest.raises(BrokenPlugin, match=r"^model 'm' could not be made: \w+ at test_plugins\.py:\d+:"):
        Foreign()("model 'm'", "be made", call)
