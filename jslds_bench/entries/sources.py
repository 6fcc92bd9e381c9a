"""Which code a result rests on: modules, and all that they import, as hashes of their files.

Imports are read off the source, those inside functions included, so that nothing has to run. A module counts
if it is of this package, of the package that the module that one starts from belongs to, or beside the
plug-in file that it is. What these import from elsewhere counts file by file where it is a user's own (on the
path, or installed as a link), and by its version where it is installed for good. What every import executes
on its way, the ``__init__`` of packages above, counts where it defines something; where it only imports
others (to register them, say), nothing below can depend on it.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
NAME = PACKAGE.name
PLUGIN = "jslds_bench_plugin_"
"""How the modules of plug-in files are called, before the file's name and a hash of its place."""


class Sources:
    """The modules that there are and what they import, each looked at once: make another after a change.

    Args:
        package: the folder that stands for this package (a copy, in tests).
        files: by module the plug-in files, where this process did not import them.
        elsewhere: what another process has found of what plug-ins import (`elsewhere`): they may have changed
            its path, so that this one need not find the same.
    """

    def __init__(
        self,
        package: Path = PACKAGE,
        files: Mapping[str, str] | None = None,
        elsewhere: Mapping[str, list[str]] | None = None,
    ) -> None:
        self._package = package
        self._files = files or {}
        self._found = None if elsewhere is None else dict(elsewhere)
        self._elsewhere: dict[str, list[str]] = {}
        self._places: dict[str, _Places] = {NAME: _Places({NAME: package}, None, lambda top: None)}
        self._needed: dict[tuple[str, str], tuple[dict[str, Path], list[str]]] = {}
        self._hashes: dict[Path, str] = {}

    def digest(self, modules: Iterable[str]) -> str:
        """Hash of the contents of `modules` and of all that they import.

        Where a plug-in file lies makes no difference, although its module is named by that.
        """
        closure = self.closure(modules)
        content = [(f"{top} installed", version) for top, version in self.libraries(closure).items()]
        for name, file in closure.items():
            if file not in self._hashes:
                self._hashes[file] = hashlib.sha256(file.read_bytes()).hexdigest()
            content.append((file.stem if name.startswith(PLUGIN) else name, self._hashes[file]))
        return hashlib.sha256("\0".join(map("\0".join, sorted(content))).encode()).hexdigest()[:32]

    def libraries(self, closure: Mapping[str, Path]) -> dict[str, str]:
        """Versions of the packages, installed for good, that modules of others in `closure` import."""
        found: dict[str, str] = {}
        for name, file in closure.items():
            if name.partition(".")[0] != NAME:
                for top in dict.fromkeys(wanted.partition(".")[0] for wanted in imported(file, name)):
                    if top != NAME and top not in found and (version := self._look(top)[1]):
                        found[top] = version
        return found

    @property
    def elsewhere(self) -> dict[str, list[str]]:
        """By first word what was looked for outside of packages and plug-ins: place and version, or empty."""
        return dict(self._elsewhere)

    def _look(self, top: str) -> list[str]:
        if top not in self._elsewhere:
            if self._found is not None:
                self._elsewhere[top] = self._found.get(top, ["", ""])
            else:
                self._elsewhere[top] = [str(_own(top) or ""), _version(top) or ""]
        return self._elsewhere[top]

    def _own(self, top: str) -> Path | None:
        return Path(place) if (place := self._look(top)[0]) else None

    def closure(self, modules: Iterable[str]) -> dict[str, Path]:
        """`modules` and the modules that they import, transitively, with their files."""
        found: dict[str, Path] = {}
        followed: set[str] = set()
        for start in modules:
            todo = [start]
            while todo:
                name = todo.pop()
                if name not in followed:
                    followed.add(name)
                    files, direct = self._needs(name, self._places_of(start, name))
                    found |= files
                    todo += direct
        return found

    def _places_of(self, start: str, name: str) -> _Places:
        top = start.partition(".")[0] if name.partition(".")[0] != NAME else NAME
        if top not in self._places:
            root = Path(self._files[top]) if top in self._files else _root(top)
            alone = top.startswith(PLUGIN) or top == "__main__"
            roots = {NAME: self._package, top: root}
            self._places[top] = _Places(roots, root.parent if alone else None, self._own)
        return self._places[top]

    def _needs(self, name: str, places: _Places) -> tuple[dict[str, Path], list[str]]:
        """The files that count for the module alone, with those of packages above it, and what it imports."""
        key = (places.name, name)
        if key not in self._needed:
            file = places.file(name)
            if file is None:
                return {}, []
            above = {a: f for a in _above(name) if (f := places.file(a)) and _defines(f, *_stamp(f))}
            direct = [found for wanted in imported(file, name) if (found := places.module(wanted))]
            self._needed[key] = {name: file, **above}, direct
        return self._needed[key]


class _Places:
    """Where modules lie that count: in `roots`, by their first word, in the folder `beside`, `elsewhere`."""

    def __init__(
        self, roots: dict[str, Path], beside: Path | None, elsewhere: Callable[[str], Path | None]
    ) -> None:
        self._elsewhere = elsewhere
        self.name = next(reversed(roots))
        self._roots, self._beside = roots, beside
        self._files: dict[str, Path | None] = {}

    def file(self, name: str) -> Path | None:
        """The file of module `name`, or None where it does not count."""
        if name not in self._files:
            self._files[name] = self._find(name)
        return self._files[name]

    def _find(self, name: str) -> Path | None:
        top, *rest = name.split(".")
        root = self._roots.get(top)
        if root is None and self._beside is not None:
            root = self._beside / top if (self._beside / top).is_dir() else self._beside / f"{top}.py"
        if root is None or not root.exists():
            root = self._elsewhere(top)
        if root is None:
            return None
        if root.suffix == ".py":
            return root if not rest and root.is_file() else None
        path = root.joinpath(*rest)
        files = [path / "__init__.py", *([path.with_suffix(".py")] if rest else [])]
        return next((file for file in files if file.is_file()), None)

    def module(self, wanted: str) -> str | None:
        """The module that ``a.b.c`` is: itself, or the one that it is a name of."""
        while wanted and self.file(wanted) is None:
            wanted = wanted.rpartition(".")[0]
        return wanted or None


def imported(file: Path, name: str) -> tuple[str, ...]:
    """What the module `name` imports, as absolute dotted names: modules, or names in them."""
    return _imported(file, name, *_stamp(file))


@functools.lru_cache(maxsize=4096)
def _imported(file: Path, name: str, *stamp: int) -> tuple[str, ...]:
    here = name if file.name == "__init__.py" else name.rpartition(".")[0]
    names: list[str] = []
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # of another Python, say: it counts, and is not looked into
        return ()
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = here.split(".")[: len(here.split(".")) - node.level + 1]
                base = ".".join([*up, base] if base else up)
            names += [base if alias.name == "*" else f"{base}.{alias.name}" for alias in node.names]
    return tuple(dict.fromkeys(names))


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """The statements of a module, and what they are in, without those that only type checkers look at."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.expr):  # most nodes are in expressions, where nothing is imported
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) in _FOR_CHECKERS:
            for other in node.orelse:
                yield other
                yield from _executed(other)
            continue
        yield node
        yield from _executed(node)


_FOR_CHECKERS = ("TYPE_CHECKING", "typing.TYPE_CHECKING")


@functools.lru_cache(maxsize=1024)
def _defines(file: Path, *stamp: int) -> bool:
    """Whether a package's ``__init__`` does more than import, say what it is and what it exports."""

    def idle(node: ast.stmt) -> bool:
        exports = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        return exports or text or isinstance(node, ast.Import | ast.ImportFrom)

    return not all(map(idle, ast.parse(file.read_bytes()).body))


def _above(name: str) -> list[str]:
    """a.b.c → a, a.b."""
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]


def _own(top: str) -> Path | None:
    """Where the module or package `top` lies, if that is neither Python's own nor installed for good."""
    if top in sys.stdlib_module_names or top == "__main__":
        return None
    module = sys.modules.get(top)
    try:
        spec = importlib.util.find_spec(top) if module is None else getattr(module, "__spec__", None)
    except (ImportError, ValueError):  # of a broken package
        return None
    origin = None if spec is None else spec.origin
    if (
        origin is None
        or not origin.endswith(".py")
        or {"site-packages", "dist-packages"} & {*Path(origin).parts}
    ):
        return None
    file = Path(origin).resolve()
    return file.parent if file.name == "__init__.py" else file


def _version(top: str) -> str | None:
    """The versions of what installed the module or package `top`."""
    if top in sys.stdlib_module_names:
        return None
    return ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in sorted(_installers().get(top, ()))
    )


@functools.cache
def _installers() -> Mapping[str, list[str]]:
    return {
        top: list(dict.fromkeys(names)) for top, names in importlib.metadata.packages_distributions().items()
    }


def _root(top: str) -> Path:
    """The folder of a package, or the file of a module."""
    file = getattr(sys.modules.get(top), "__file__", None)
    if file is None and (spec := importlib.util.find_spec(top)) is not None:
        file = spec.origin or Path(next(iter(spec.submodule_search_locations or ["."])), "__init__.py")
    path = Path(file or top)
    return path.parent if path.name == "__init__.py" else path


def _stamp(file: Path) -> tuple[int, int]:
    """Tells a file that was written again from the one before."""
    about = file.stat()
    return about.st_mtime_ns, about.st_size
