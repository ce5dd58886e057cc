"""Digests of the code behind a result: what an edit must change to make a stage run again.

Snakemake sees neither edits in imported modules nor the meaning of an edit. A digest covers a
script and every module of the package that it imports, directly or not, without comments,
docstrings and formatting.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from wstal.base.errors import WstalError

SOURCES = (".cpp", ".cu", ".h", ".html", ".css", ".js")  # named by a string in the module beside
TEMPLATES = (".html", ".css", ".js")  # parts of a page: they count as they are
CONSOLE = "commands/console.py"  # of the package: no result depends on it
_STRING = r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
_C_TOKENS = re.compile(rf"(?P<string>{_STRING})|//[^\n]*|/\*.*?\*/", re.DOTALL)


def code_digest(script: str | Path, package: str | Path, modules: Iterable[str] = ()) -> str:
    """Digest of `script`, of `modules` (imported by name at run time) and of all they import.

    `package` is the folder of the importable package. Imports inside functions count, and so do
    scripts beside this one, but not CONSOLE, which only parses and shows progress.
    """
    script, package = Path(script), Path(package)
    scripts = [script, *_siblings(script)]
    closure = sorted({f for each in scripts for f in import_closure(each, package, modules)})
    digest = hashlib.sha256()
    for path in [*scripts, *closure]:
        name = path.relative_to(package.parent) if path in closure else path.name
        digest.update(f"{name}\0{_meaning(path)}\0".encode())
        for source in _compiled_sources(path):
            digest.update(_compiled_meaning(source))
    return digest.hexdigest()[:16]


def import_closure(
    script: str | Path, package: str | Path, modules: Iterable[str] = ()
) -> list[Path]:
    """Files of the package that `script` and `modules` import, directly or not, sorted."""
    package = Path(package)
    waiting = [path for name in modules for path in _module_files(name, package)]
    waiting += _imports(Path(script), package)
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imports(path, package)
    return sorted(found)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def _meaning(path: Path) -> str:
    """The source without comments, docstrings and formatting."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and (ast.get_docstring(node, clean=False) is not None):
            node.body = body[1:]
    return ast.unparse(tree)


def _compiled_meaning(source: Path) -> bytes:
    """A source beside a module; of C++ without comments, indentation and empty lines."""
    if source.suffix in TEMPLATES:
        return source.read_bytes()
    text = _C_TOKENS.sub(lambda found: found["string"] or " ", source.read_text(encoding="utf-8"))
    return "\n".join(line for each in text.splitlines() if (line := each.strip())).encode()


@cache
def _imports(path: Path, package: Path) -> tuple[Path, ...]:
    names = sorted(_imported_names(path))
    return tuple(file for name in names for file in _module_files(name, package))


def _imported_names(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _siblings(script: Path) -> list[Path]:
    """Scripts that `script` imports from its own folder."""
    names = sorted(name for name in _imported_names(script) if "." not in name)
    return [file for name in names if (file := script.with_name(f"{name}.py")).is_file()]


def _module_files(name: str, package: Path) -> Iterator[Path]:
    """The files that importing `name` runs: its own and its parents' `__init__`."""
    parts = name.split(".")
    if parts[0] != package.name:
        return
    for depth in range(1, len(parts) + 1):
        stem = package.parent.joinpath(*parts[:depth])
        for file in (stem / "__init__.py", stem.with_suffix(".py")):
            if file.is_file() and file != package / CONSOLE:
                yield file


@cache
def _compiled_sources(path: Path) -> list[Path]:
    names = {
        node.value
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    beside = (path.with_name(name) for name in sorted(names) if name.endswith(SOURCES))
    return [file for file in beside if file.is_file()]


# FOLDED What jobs inherit from the checkout that starts them.

ACCEPTED = "WSTAL_ACCEPTED_CODE"


def prepare_jobs(root: str | Path, accepted: Mapping[str, str]) -> None:
    """Let every job use this checkout's package and this interpreter, wherever others are.

    `accepted` (new code digest: the older one it is equal to) travels in the environment: as a
    parameter it would make jobs run again, which it is there to prevent.
    """
    os.environ[ACCEPTED] = json.dumps(dict(accepted), sort_keys=True)
    _prepend("PYTHONPATH", str(Path(root) / "workflow"))
    _prepend("PATH", str(Path(sys.executable).parent))


def accepted_code() -> dict[str, str]:
    """The accepted digests of the run that this job belongs to."""
    return json.loads(os.environ.get(ACCEPTED, "{}"))


def gpu_count() -> int:
    """NVIDIA GPUs of this machine that jobs may use, without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = len(list(Path("/dev").glob("nvidia[0-9]*")))
    return found if visible is None else len([name for name in visible.split(",") if name.strip()])


def gpus_per_job(device: str, here: int, allowed: int | None) -> int:
    """How many GPUs a job of a network asks for: 1, or 0 where everything runs on CPUs.

    `here` is how many this machine has, `allowed` the limit that a profile or the command line
    set. Who set one expects GPUs, here or on a cluster: not finding any is an error then.
    """
    if device == "auto" and allowed and not here:
        raise WstalError(
            f"up to {allowed} GPU jobs at a time were allowed, but device is auto and this machine "
            "has no GPU, so that every job would run on a CPU. Say --config device=cuda for the "
            "GPUs of a cluster, or device=cpu. A --config on the command line takes the place of "
            "the whole `config:` of a profile: repeat its device there"
        )
    return int(device == "cuda" or (device == "auto" and here > 0))


def _prepend(variable: str, entry: str) -> None:
    rest = os.environ.get(variable, "")
    if rest.split(os.pathsep)[0] != entry:
        os.environ[variable] = f"{entry}{os.pathsep}{rest}" if rest else entry
