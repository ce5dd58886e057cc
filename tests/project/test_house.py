"""The rules of the house that a reader relies on: names, rules, imports, environments.

What runs on a GPU machine also starts there: it may have no decoders and no workflow engine.
"""

from __future__ import annotations

import ast
import json
import os
import re
import runpy
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from string import Formatter

import pytest
import yaml
from wstal.base.code_digest import import_closure

FORBIDDEN_NAMES = {"utils.py", "helpers.py", "misc.py", "common.py"}


def python_files(project):
    return [
        path
        for folder in ("workflow/wstal", "scripts", "benchmarks", "tests", "envs")
        for path in sorted((project / folder).rglob("*.py"))
    ]


def rules_of(project):
    for path in sorted((project / "rules").glob("*.smk")):
        text = path.read_text()
        starts = [match.start() for match in re.finditer(r"^(?:use )?rule ", text, re.M)]
        for start, end in pairwise([*starts, len(text)]):
            yield path.name, text[start:end].split("\nuse rule ")[0].rstrip()


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def test_files_are_named_by_the_noun_of_their_content(project):
    names = [path.name for path in python_files(project)]
    assert not FORBIDDEN_NAMES & set(names)
    assert not [name for name in names if re.search(r"_v\d+\.py$", name)]


def test_nothing_is_left_of_merging_files(project):
    for path in python_files(project):
        assert not re.search("# FOLD" + "ED", path.read_text()), path


def test_rules_are_short_documented_and_plain(project):
    rules = list(rules_of(project))
    assert len(rules) > 20
    for file, text in rules:
        name = f"{file}: {text.splitlines()[0]}"
        assert len(text.splitlines()) <= 25, name
        derived = text.startswith("use ")
        assert derived or '"""' in text.split("input:")[0].split("output:")[0], (
            f"{name} has no docstring"
        )
        assert "lambda" not in text and "    run:" not in text, name
        assert "    log:" in text or "shell:" not in text, f"{name} has no log"


def test_shell_lines_are_short_and_quote_every_value(project):
    for file, text in rules_of(project):
        name, (_, _, shell) = f"{file}: {text.splitlines()[0]}", text.partition("    shell:\n")
        assert all(len(line) <= 110 for line in shell.splitlines()), name
        bare = [field for _, field, spec, _ in Formatter().parse(shell) if field and spec != "q"]
        assert not bare, f"{name} has {bare} without :q"
        assert re.fullmatch(r'(\s*("[^"\n]*"|#.*))*\s*', shell), f"{name}: not plain text"


SCRIPT = r"python \.snakemake/wstal/scripts/"  # how a shell line of a rule begins


def test_rules_write_by_jobs_alone(project):
    """A file that `cp`, `mv` or a redirect wrote is empty after a power cut, and looks made."""
    for file, text in rules_of(project):
        shell = "".join(re.findall(r'"(.*)"', text.partition("    shell:\n")[2]))
        job = re.sub(r" (&>|\|& tee) \{log:q\}$", "", shell)
        name = f"{file}: {text.splitlines()[0]}"
        assert not shell or re.fullmatch(rf"{SCRIPT}\w+\.py [^<>|&;`$]*", job), name
        assert '"results/logs' not in text.partition("    log:")[0], f"{name} reads a log"


WRITES = {  # calls that create or change a file
    *("write_text", "write_bytes", "to_csv", "to_json", "to_parquet", "to_pickle", "savefig"),
    *("save_file", "copyfile", "copy", "copy2", "copytree", "move", "rename", "symlink_to"),
    *("savez", "savez_compressed", "savetxt", "tofile", "touch", "truncate", "os.replace"),
    *("np.save", "torch.save", "json.dump", "shutil.move"),
}
OPENS = {"open", "h5py.File", "av.open", "gzip.open", "ZipFile", "zipfile.ZipFile"}
NOT_RESULTS = {  # why a module writes outside `atomic_path`
    "base/download.py": "appends to {path}.part, which replace_durably renames",
    "config/run_locks.py": "locks: an empty one holds nothing",
    "base/memory.py": "a setting of the kernel",
    "config/installation.py": "a link, under another name until it is there",
    "train/run.py": "the log of an unfinished run, written anew by one that continues",
    "base/lock.py": "a lock: its content names its holder",
    "demo/videos.py": "write_mp4: its callers give it a temporary path",
}


def written_outside(path):
    """Yield the line of each call that writes a file outside a `with atomic_path`."""

    def visit(node, inside):
        if isinstance(node, ast.With):
            items = [ast.unparse(item.context_expr) for item in node.items]
            inside = inside or any(item.startswith("atomic_path(") for item in items)
        if isinstance(node, ast.Call) and not inside:
            called = ast.unparse(node.func)
            last = called.rpartition(".")[2]
            modes = [*node.args[:2], *(k.value for k in node.keywords if k.arg == "mode")]
            within = [each for mode in modes for each in ast.walk(mode)]  # "ab" if old else "wb"
            texts = {each.value for each in within if isinstance(each, ast.Constant)}
            opens = called in OPENS or last == "open"
            is_mode = any(re.fullmatch(r"[rwax+bt]*[wax+][rwax+bt]*", str(t)) for t in texts)
            is_other = last in ("copy", "rename") and not called.startswith(("shutil", "os"))
            is_other = is_other or called == "write_text"  # of base/files.py
            if (opens and is_mode) or (not is_other and {called, last} & WRITES):
                yield node.lineno
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    return visit(parsed(path), False)


def test_every_result_is_written_by_the_atomic_writer(project):
    package, found = project / "workflow/wstal", set()
    for path in (*package.rglob("*.py"), *(project / "scripts").glob("*.py")):
        name = str(path.relative_to(package if path.is_relative_to(package) else project))
        for line in written_outside(path):
            assert name in NOT_RESULTS, f"{path}:{line}"
            found.add(name)
    assert found == set(NOT_RESULTS)


@pytest.mark.parametrize(
    "call",
    ['open(path, "w")', 'Path(path).open("wb")', "frame.to_csv(path)", 'h5py.File(path, "a")']
    + ["shutil.copyfile(a, b)", "np.save(path, x)", 'x.write_text("")', 'open(path, mode="x")'],
)
def test_a_writer_that_bypasses_it_is_found(tmp_path, call):
    path = tmp_path / "a.py"
    path.write_text(f"def f():\n    {call}\n    with atomic_path(x) as y:\n        {call}\n")
    assert list(written_outside(path)) == [2]


def test_only_common_holds_functions(project):
    for path in (project / "rules").glob("*.smk"):
        word = r"^rule " if path.name == "common.smk" else r"^def |^class "
        assert not re.search(word, path.read_text(), re.M), path.name


def test_library_prints_nothing_and_knows_no_workflow_engine(project):
    package = project / "workflow/wstal"
    speaks = [package / "__main__.py", *(package / "commands").glob("*.py")]  # to whoever types
    for path in package.rglob("*.py"):
        for node in ast.walk(parsed(path)):
            if (
                path not in speaks
                and isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
            ):
                assert node.func.id not in ("print", "eval", "exec"), path
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] == "snakemake"], path


ABSENT = ("av", "decord", "snakemake", "pytorchvideo", "pydantic")  # on a GPU machine
COMPUTE = ("flow", "networks", "methods", "layers", "losses", "train", "localize", "evaluate")
IMPORT_ALL = """
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys(ABSENT))
for room in COMPUTE:
    folder = importlib.import_module(f"wstal.{room}").__path__
    for module in pkgutil.walk_packages(folder, f"wstal.{room}."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name not in OPTIONAL:
                sys.exit(f"{module.name}: {error}")
"""
OPTIONAL = {"torchcodec", "triton"}  # used where they are installed


def test_rooms_that_compute_need_no_decoder_and_no_workflow_engine():
    names = f"ABSENT, COMPUTE, OPTIONAL = {ABSENT}, {COMPUTE}, {OPTIONAL}"
    done = subprocess.run(
        [sys.executable, "-c", names + IMPORT_ALL], text=True, capture_output=True
    )
    assert not done.returncode, done.stderr


HEAVY = ("torch", "pandas", "scipy", "cv2", "av", "h5py", "matplotlib", "pydantic", "snakemake")
ROOMS = """
import pkgutil, sys, wstal
for room in pkgutil.iter_modules(wstal.__path__, "wstal."):
    __import__(room.name)
    if heavy := [name for name in HEAVY if name in sys.modules]:
        sys.exit(f"import {room.name} imports {', '.join(heavy)}")
"""


def test_importing_a_room_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-c", f"HEAVY = {HEAVY}{ROOMS}"], text=True, capture_output=True
    )
    assert not done.returncode, done.stderr


SMALL = {  # short on purpose, with the one module that uses each beside it
    "methods/untrimmednet/loss.py": "each method has a loss.py",
}


def test_a_short_module_has_more_than_one_importer(project):
    """What is short and used by its neighbour alone is a part of that neighbour."""
    package = project / "workflow/wstal"
    imports = {
        path: imported_names(path)
        for folder in (package, project / "scripts")
        for path in folder.rglob("*.py")
    }
    for path in package.rglob("*.py"):
        own = path.relative_to(package).as_posix()
        if path.name == "__init__.py" or len(path.read_text().splitlines()) >= 30 or own in SMALL:
            continue
        name = ".".join(["wstal", *Path(own).with_suffix("").parts])
        users = [user for user, names in imports.items() if name in names and user != path]
        assert [user.parent for user in users] != [path.parent], f"{own} is a part of {users[0]}"


def imported_names(path):
    names = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_every_script_explains_itself_with_examples(project):
    for folder in ("scripts", "benchmarks"):
        for path in sorted((project / folder).rglob("*.py")):
            text = path.read_text()
            if '__name__ == "__main__"' in text:  # the others are imported by these
                assert "Examples" in (ast.get_docstring(ast.parse(text)) or ""), path.name


PACKAGES = {  # where a package is imported by another name
    "cv2": "opencv-contrib-python-headless",
    "yaml": "pyyaml",
    "annotated_types": "annotated-types",
    "stream_unzip": "stream-unzip",
}


def name_of(requirement):
    return re.split(r"[<>=;\[ ]", requirement)[0].lower()


def pip_part(path):
    dependencies = yaml.safe_load(path.read_text())["dependencies"]
    return [item for part in dependencies if isinstance(part, dict) for item in part["pip"]]


def test_conda_files_are_those_that_pyproject_gives(project):
    files = runpy.run_path(str(project / "envs/install.py"), run_name="install")["conda_files"]()
    assert set(files) == {project / "environment.yml", *(project / "envs").glob("*.yaml")}
    stale = [path.name for path, text in files.items() if path.read_text() != text]
    assert not stale, "run `make environments`"


def test_lock_pins_every_dependency_with_hashes_and_pulls_no_gpu_build(project):
    torch, libraries = (
        (project / f"envs/lock/{name}.txt").read_text().replace("\\\n", "")
        for name in ("torch", "libraries")
    )
    pins = r"([\w.-]+)==[\w.+!]+"
    pinned = {re.fullmatch(pins, line)[1] for line in torch.splitlines()}
    for line in libraries.splitlines():
        found = re.fullmatch(pins + r"( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+", line)
        assert found, f"{line[:60]} has no hash; run `make lock`"
        pinned.add(found[1])
    content = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    extras = dict(content["optional-dependencies"])
    del extras["cluster"], extras["docs"]  # not part of `make setup`
    needed = [*content["dependencies"], *(item for each in extras.values() for item in each)]
    assert {name_of(item) for item in needed} <= pinned
    assert not [name for name in pinned if name.startswith(("nvidia", "cuda", "triton"))]


def test_every_python_and_platform_that_is_named_was_resolved(project):
    record = json.loads((project / "benchmarks/results/resolved.json").read_text())["results"]
    assert len(record) == 12
    content = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    needed = {name_of(item) for item in content["dependencies"]}
    for place, found in record.items():
        assert needed <= set(found["plain"]), f"{place}: run `make resolve`"
        assert not found["without"], place
        assert ("decord" in found["extras"]) == ("x86-64" in place)


def packages_of(path, project):
    """The packages that a file imports, standard library and project left out."""
    ours = {"wstal", *(script.stem for script in (project / "scripts").glob("*.py"))}
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module]
    found = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - ours
    return {PACKAGES.get(name, name) for name in found} - OPTIONAL


def rule_blocks(project):
    """(name of the rule, its text) for every rule that has an environment and a script."""
    for path in sorted((project / "rules").glob("*.smk")):
        for block in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            if "envs/" in block and re.search(SCRIPT, block):
                yield block.partition(":")[0], block


def test_every_rules_environment_has_what_its_script_imports(project):
    package, seen = project / "workflow/wstal", set()
    methods = sorted(path.parent.name for path in package.glob("methods/*/network.py"))
    lacking = {}
    for rule, block in rule_blocks(project):
        environment = project / "envs" / Path(re.search(r"envs/([\w.]+)", block)[1])
        script = project / "scripts" / re.search(rf"{SCRIPT}(\w+\.py)", block)[1]
        by_name = re.search(r'method_code\("[^"]+", "(\w+)"\)', block)
        modules = [f"wstal.methods.{m}.{by_name[1]}" for m in methods] if by_name else []
        files = [script, *import_closure(script, package, modules)]
        needed = set().union(*(packages_of(file, project) for file in files))
        if absent := needed - {name_of(item) for item in pip_part(environment)}:
            lacking[rule, environment.name] = sorted(absent)
        seen.add(rule)
    assert {"localize", "train", "evaluate", "frames", "table"} <= seen
    assert not lacking


def run(project, folder, *command):
    """A command of Python's where those cannot be imported."""
    names = (*ABSENT, "hdf5plugin")
    (folder / "sitecustomize.py").write_text(
        f"import sys\nsys.modules.update(dict.fromkeys({names}))\n"
    )
    path = os.pathsep.join([str(folder), str(project / "workflow")])
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, *command], cwd=project, env=environment, text=True, capture_output=True
    )
    return done.returncode, done.stdout + done.stderr


def test_every_gpu_test_is_collected(project, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(project / "benchmarks"))
    from gpu import FEATURES, FLOW, TRAINING

    listed = {f"tests/{name}.py" for name in FLOW + FEATURES + TRAINING}
    marked = {
        str(path.relative_to(project))
        for path in (project / "tests").glob("*/test_*.py")
        if re.search(r"^@pytest\.mark\.gpu|MARKS", path.read_text(), re.M)
    }
    assert listed == marked - {"tests/project/test_house.py"}
    options = ("-m", "gpu", "--collect-only", "-q", "-p", "no:cacheprovider")
    code, text = run(project, tmp_path, "-m", "pytest", *options, *sorted(listed))
    assert code == 0, text
    assert len(set(re.findall(r"^(tests/\w+/\w+\.py)::", text, re.M))) >= 4, text  # without Triton


@pytest.mark.parametrize(
    "command",
    [
        ["benchmarks/gpu.py"],
        ["-m", "benchmarks.speed.tvl1_gpu"],
        ["-m", "benchmarks.speed.i3d"],
        ["-m", "benchmarks.speed.train_step"],
    ],
    ids=lambda command: command[-1],
)
def test_the_benchmarks_start(project, tmp_path, command):
    code, text = run(project, tmp_path, *command, "--help")
    if "No module named 'triton'" in text:
        pytest.skip("Triton is not installed")
    assert code == 0, text


@pytest.mark.parametrize(
    ("subject", "status"),
    [("Add a check", 0), ("é" * 72, 0), ("x" * 73, 1), ("fixup! " + "x" * 73, 0)],
)
def test_a_long_commit_subject_is_refused(project, tmp_path, subject, status):
    message = tmp_path / "message"
    message.write_text(f"# a comment\n\n{subject}\n\nThe body may be longer. {'x' * 80}\n")
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    done = subprocess.run([project / ".githooks/commit-msg", message], env=environment)
    assert done.returncode == status


@pytest.mark.parametrize(
    "lines, arguments",
    [
        ("global.timeout='180'\n", []),
        ("global.extra-index-url='https://more/simple'\n", []),
        ("install.index-url='https://own/simple'\n", ["--default-index", "https://own/simple"]),
        (":env:.index-url='https://own/simple'\n", ["--default-index", "https://own/simple"]),
    ],
)
def test_setup_gives_uv_the_index_of_pip(lines, arguments, project):
    install = runpy.run_path(str(project / "envs/install.py"), run_name="install")
    install["pip_index"].__globals__["pip"] = lambda *arguments, capture: lines
    assert install["pip_index"]() == arguments


def test_setup_installs_by_pip_where_uv_cannot(project):
    install = runpy.run_path(str(project / "envs/install.py"), run_name="install")
    calls = []

    def pip(*arguments, capture=False):
        calls.append(arguments)
        if "uv" in arguments:
            raise subprocess.CalledProcessError(1, "pip")
        return ""

    install["install_libraries"].__globals__["pip"] = pip
    install["install_libraries"]()
    assert calls[-1][0] == "install" and "--require-hashes" in calls[-1]
