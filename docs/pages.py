"""Pages of the site that are made from the code: one for every entry, and the API, as Markdown.

Docstrings are plain text with code in single or double backquotes, so they are written as text: what Markdown
would take for markup is escaped, and sections ("Attributes:", "Raises:") become lists.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jslds_bench.cli.listing import described
from jslds_bench.suite import registries

API = {
    "jslds_bench": "What `import jslds_bench` offers",
    "jslds_bench.types": "Values and protocols that entries are written against",
    "jslds_bench.analysis.decomposition": "Modes of local linear systems",
    "jslds_bench.analysis.integration": "Integration of evidence",
    "jslds_bench.analysis.point_sets": "Sets of points",
    "jslds_bench.analysis.planes": "Planes of rotations",
    "jslds_bench.analysis.jpca": "jPCA",
    "jslds_bench.analysis.stats": "Statistics",
    "jslds_bench.analysis.tasks": "Comparisons over tasks",
    "jslds_bench.dynamics.rollout": "Running networks and models",
    "jslds_bench.dynamics.linearize": "Expansions and Jacobians",
    "jslds_bench.dynamics.fixed_points": "The search for fixed points",
    "jslds_bench.dynamics.jslds": "The Jacobian switching linear dynamical system",
    "jslds_bench.switching.model": "Switching linear systems",
    "jslds_bench.reproduce": "Claims of the paper",
}
"""Modules whose public names the API pages hold, in order."""
SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Reference|References|Yields):\s*(.*)$")
MARKUP = re.compile(r"([\\*_\[\]<>|#$~^{}])")


def write_all(folder: Path) -> None:
    """Write all pages anew."""
    shutil.rmtree(folder, ignore_errors=True)
    kinds = registries()
    for kind, registry in kinds.items():
        place = folder / kind
        place.mkdir(parents=True)
        for name in registry.registered():
            (place / f"{name}.md").write_text(entry_page(kind, name, registry.get(name)), "utf-8")
        (place / "index.md").write_text(index(kind, list(registry.registered()), registry), "utf-8")
    (folder / "api").mkdir()
    for module, title in API.items():
        (folder / "api" / f"{module}.md").write_text(module_page(module, title), "utf-8")
    listed = "\n".join(API)
    (folder / "api" / "index.md").write_text(f"# API\n\n```{{toctree}}\n{listed}\n```\n", "utf-8")


def index(kind: str, names: list[str], registry: Any) -> str:
    """The page that leads to the entries of a kind."""
    rows = [
        f"| [{n}]({n}.md) | {text((inspect.getdoc(registry.get(n)) or '').partition(chr(10))[0])} |"
        for n in names
    ]
    table = "\n".join(["| name | what |", "| --- | --- |", *rows])
    hidden = "```{toctree}\n:hidden:\n" + "\n".join(names) + "\n```"
    return f"# {kind.capitalize()}\n\n[When to use which](../../entries.md).\n\n{table}\n\n{hidden}\n"


def entry_page(kind: str, name: str, entry: type) -> str:
    """The page of one entry: its docstring, and its parameters as suites see them."""
    said = next(d for d in described(name) if d.startswith(f"{registries()[kind].kind} {name}"))
    rest = said[said.index("Parameters:") :]
    unit = f"Unit: {entry.unit}. Better: {entry.better}.\n\n" if kind == "metrics" else ""  # type: ignore[attr-defined]
    source = f"`{entry.__module__}`"
    return f"# {name}\n\n{unit}{docstring(entry)}\n\n```text\n{rest}\n```\n\nFrom {source}.\n"


def module_page(module: str, title: str) -> str:
    """The page of a module: what its docstring says, and every public name with its signature."""
    found = importlib.import_module(module)
    parts = [f"# {text(title)}", f"`{module}`", docstring(found)]
    parts += [member for name, value in public(found) for member in member_parts(name, value)]
    return "\n\n".join(parts) + "\n"


def public(module: Any) -> Iterator[tuple[str, Any]]:
    """The public classes and functions of a module: those of `__all__`, or those that it defines itself.

    `jslds_bench.types` offers what its modules define.
    """
    names = getattr(module, "__all__", None)
    within = "jslds_bench" if names or module.__name__ == "jslds_bench.types" else module.__name__
    for name in names or vars(module):
        value = getattr(module, name)
        described_ = inspect.isclass(value) or inspect.isfunction(value)
        if not name.startswith("_") and described_ and value.__module__.startswith(within):
            yield name, value


def member_parts(name: str, value: Any) -> Iterator[str]:
    """A public name: its signature, its docstring, and those of its methods."""
    yield f"## {text(name)}"
    yield f"```python\n{signature(name, value)}\n```"
    yield docstring(value)
    if inspect.isclass(value):
        for method, function in vars(value).items():
            if not method.startswith("_") and inspect.isfunction(function) and function.__doc__:
                yield f"### {text(name)}.{text(method)}"
                yield f"```python\n{signature(method, function)}\n```"
                yield docstring(function)


def signature(name: str, value: Any) -> str:
    """``name(arguments) -> result`` as it stands in the code, a line per argument where it is long."""
    if inspect.isclass(value) and not dataclasses.is_dataclass(value) and not issubclass(value, tuple):
        return f"class {name}"
    try:
        made = inspect.signature(value)
    except (TypeError, ValueError):
        return name
    short = f"{name}{made}"
    if len(short) <= 100:
        return short
    arguments = ",\n    ".join(str(p) for p in made.parameters.values())
    result = "" if made.return_annotation is inspect.Signature.empty else f" -> {made.return_annotation}"
    return f"{name}(\n    {arguments},\n){result}"


def docstring(value: Any) -> str:
    """The docstring as Markdown."""
    lines, out = (inspect.getdoc(value) or "").splitlines(), []
    in_section = False
    for i, line in enumerate(lines):
        if match := SECTION.match(line):
            in_section = True
            # What stands behind the colon may go on in the next line; a list begins after an empty one.
            out += ["", f"**{match[1]}** {text(match[2])}"] if match[2] else ["", f"**{match[1]}**", ""]
        elif in_section and re.match(r"^    \S", line):
            name, colon, rest = line.strip().partition(": ")
            out.append(f"- {text(name)}: {text(rest)}" if colon else f"- {text(line.strip())}")
        elif in_section and line.startswith("     "):
            out.append(f"  {text(line.strip())}")
        elif line.startswith(">>>") or (line.startswith("    ") and not in_section):
            before = i > 0 and (lines[i - 1].startswith((">>>", "    ")))
            after = i + 1 < len(lines) and lines[i + 1].startswith((">>>", "    "))
            out += ([] if before else ["", "```text"]) + [line] + ([] if after else ["```", ""])
        else:
            in_section = in_section and not line.strip()
            out.append(text(line))
    return "\n".join(out)


def text(words: str) -> str:
    """Plain words as Markdown that shows them as they are; what stands in backquotes is code."""
    parts = re.split(r"(``[^`]+``|`[^`]+`)", words)
    shown = [part if i % 2 else MARKUP.sub(r"\\\1", part) for i, part in enumerate(parts)]
    # A dash or a number with a dot at the start of a line would begin a list.
    return re.sub(r"^(\s*)([-+]|\d+\.)(\s)", r"\1\\\2\3", "".join(shown))
