"""Digests of the code behind a result: what an edit must change to make a stage run again.

Snakemake sees neither edits in imported modules nor the meaning of an edit. A digest covers a
script and every module of the package that it imports, directly or not, without comments,
docstrings and formatting, and without the defaults of settings (base/settings.py): jobs receive
the values as parameters, so a default reruns what uses it and nothing else.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from wstal.base.files import read_cached, write_cached

SOURCES = (".cpp", ".cu", ".h", ".html", ".css", ".js")  # named by a string in the module beside
TEMPLATES = (".html", ".css", ".js")  # parts of a page: they count as they are
CONSOLE = "commands/console.py"  # of the package: no result depends on it
KEPT = 3000  # sources whose meaning is kept: the project's, and those of many edits
_STRING = r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
_C_TOKENS = re.compile(rf"(?P<string>{_STRING})|//[^\n]*|/\*.*?\*/", re.DOTALL)


def code_digest(
    script: str | Path,
    package: str | Path,
    modules: Iterable[str] = (),
    cache: Path | None = None,
) -> str:
    """Return the digest of `script`, of `modules` (imported by name) and of all they import.

    `package` is the folder of the importable package. Imports inside functions count, and so do
    scripts beside this one, but not CONSOLE, which only parses and shows progress. `cache` is a
    JSON file that keeps what was read of each source, by its content.
    """
    script, package, read = Path(script), Path(package), _reader(cache)
    scripts = [script, *_siblings(script, read)]
    closure = sorted({file for each in scripts for file in _closure(each, package, modules, read)})
    digest = hashlib.sha256()
    for path in [*scripts, *closure]:
        name = path.relative_to(package.parent) if path in closure else path.name
        digest.update(f"{name}\0{read(path).meaning}\0".encode())
        for source in _compiled_sources(path, read):
            digest.update(_compiled_meaning(source.suffix, source.read_bytes()))
    read.save()
    return digest.hexdigest()[:16]


def source_digest(
    script: str | Path,
    package: str | Path,
    modules: Iterable[str] = (),
    cache: Path | None = None,
) -> str:
    """Return the digest of the same files as they are: with defaults, comments and docstrings."""
    script, package, read = Path(script), Path(package), _reader(cache)
    files = [script, *_closure(script, package, modules, read)]
    contents = [f"{path.name}\0{read(path).content}" for path in files]
    read.save()
    return hashlib.sha256("\n".join(contents).encode()).hexdigest()[:16]


def import_closure(
    script: str | Path, package: str | Path, modules: Iterable[str] = ()
) -> list[Path]:
    """Return the files of the package that `script` and `modules` import, directly or not."""
    return _closure(Path(script), Path(package), modules, _reader(None))


class _Source(NamedTuple):
    """What of a module's source counts."""

    content: str  # digest of the file
    meaning: str  # digest of the source without comments, docstrings, formatting and defaults
    imports: list[str]  # names of modules, and of what is taken from them
    files: list[str]  # strings that may name compiled sources beside it


class _Sources:
    """Reads each source once. What a content means is kept in a JSON file from run to run."""

    def __init__(self, cache: Path | None) -> None:
        self._cache = cache
        self._read: dict[Path, _Source] = {}
        self.imported: dict[Path, list[Path]] = {}  # the files that each file's imports run
        self.modules: dict[str, list[Path]] = {}  # the files that importing a name runs
        self._kept: dict[str, list] = {}  # by the digest of a content
        self._is_new = False
        if cache is not None:
            own = Path(__file__).read_bytes() + sys.version.encode()
            self._version = hashlib.sha256(own).hexdigest()
            kept = read_cached(cache)
            if isinstance(kept, dict) and kept.get("version") == self._version:
                self._kept = kept["sources"]

    def __call__(self, path: Path) -> _Source:
        if path not in self._read:
            content = path.read_bytes()
            key = hashlib.sha256(content).hexdigest()
            if key not in self._kept:
                self._kept[key] = _meaning(content)
                self._is_new = True
            self._read[path] = _Source(key, *self._kept[key])
        return self._read[path]

    def save(self) -> None:
        """Write what is new; sources of earlier edits are left out once they are too many."""
        if self._cache is None or not self._is_new:
            return
        if len(self._kept) > KEPT:
            used = {hashlib.sha256(path.read_bytes()).hexdigest() for path in self._read}
            self._kept = {key: value for key, value in self._kept.items() if key in used}
        write_cached(self._cache, {"version": self._version, "sources": self._kept})
        self._is_new = False


def _reader(cache: Path | None) -> _Sources:
    return _Sources(None) if cache is None else _kept_reader(cache)


@cache
def _kept_reader(cache: Path) -> _Sources:
    return _Sources(cache)


@cache
def _meaning(content: bytes) -> list:
    """Return what `_Source` says of a module's source, but for its digest."""
    tree = ast.parse(content)
    names, files = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            files |= {node.value} if node.value.endswith(SOURCES) else set()
    for node in ast.walk(tree):
        kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        if isinstance(node, ast.ClassDef) and node.name.endswith("Settings"):
            for field in node.body:
                if isinstance(field, ast.AnnAssign):
                    field.value = None
    meaning = hashlib.sha256(ast.unparse(tree).encode()).hexdigest()
    return [meaning, sorted(names), sorted(files)]


def _closure(script: Path, package: Path, modules: Iterable[str], read: _Sources) -> list[Path]:
    waiting = [path for name in modules for path in _module_files(name, package, read)]
    waiting += _imports(script, package, read)
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imports(path, package, read)
    return sorted(found)


def _imports(path: Path, package: Path, read: _Sources) -> list[Path]:
    if path not in read.imported:
        names = read(path).imports
        files = (file for name in names for file in _module_files(name, package, read))
        read.imported[path] = list(dict.fromkeys(files))
    return read.imported[path]


def _siblings(script: Path, read: _Sources) -> list[Path]:
    """Return the scripts that `script` imports from its own folder."""
    names = [name for name in read(script).imports if "." not in name]
    return [file for name in names if (file := script.with_name(f"{name}.py")).is_file()]


def _module_files(name: str, package: Path, read: _Sources) -> list[Path]:
    """Return the files that importing `name` runs: its own and its parents' `__init__`."""
    parent, _, own = name.rpartition(".")
    if (parent or own) != package.name and not parent.startswith(f"{package.name}."):
        return []
    if name not in read.modules:
        stem = package.parent.joinpath(*name.split("."))
        files = [stem / "__init__.py", stem.with_suffix(".py")]
        files = [file for file in files if file.is_file() and file != package / CONSOLE]
        read.modules[name] = (_module_files(parent, package, read) if parent else []) + files
    return read.modules[name]


def _compiled_sources(path: Path, read: _Sources) -> list[Path]:
    beside = (path.with_name(name) for name in read(path).files if "/" not in name)
    return [file for file in beside if file.is_file()]


@cache
def _compiled_meaning(suffix: str, content: bytes) -> bytes:
    """Return a source beside a module; of C++ without comments, indentation and empty lines."""
    if suffix in TEMPLATES:
        return content
    text = _C_TOKENS.sub(lambda found: found["string"] or " ", content.decode())
    return "\n".join(line for each in text.splitlines() if (line := each.strip())).encode()
