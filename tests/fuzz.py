"""Files changed so that ever more of their reader is reached, by Atheris: `make fuzz SECONDS=9 FORMAT=suite`.

A file is to be read, or refused in one line. One that is neither is left in tests/fuzzed/FORMAT, where
`test_mutated.py` reads it from then on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["jslds_bench"]):
    from formats import FORMATS, refused_in_one_line

FUZZED = Path(__file__).with_name("fuzzed")


def fuzz(name: str, seconds: int, folder: Path) -> None:
    """Ends the process: with 0 where nothing was found."""
    form, found = FORMATS[name], FUZZED / name
    path, corpus = folder / form.name, folder / "corpus"
    for wanted in (found, path.parent, corpus):
        wanted.mkdir(parents=True, exist_ok=True)
    (corpus / "good").write_bytes(form.good(folder))

    def one(data: bytes) -> None:
        path.write_bytes(form.file_of(data))
        refused_in_one_line(form.read, path)

    limits = (f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=4096", "-len_control=0")
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={found}/", str(corpus)], one)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=int, help="for each format")
    parser.add_argument("format", nargs="?", choices=FORMATS, help="all of them by default")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder is not None:
        fuzz(arguments.format, arguments.seconds, arguments.folder)
    codes = []
    for name in FORMATS if arguments.format is None else (arguments.format,):
        with tempfile.TemporaryDirectory() as folder:  # Atheris ends its process, and leaves what there is
            command = [sys.executable, __file__, str(arguments.seconds), name, "--folder", folder]
            codes.append(abs(subprocess.run(command).returncode))
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
