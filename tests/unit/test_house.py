"""The rules of the house that a reader relies on."""

import ast
import re
from itertools import pairwise

import pytest

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
        starts = [match.start() for match in re.finditer(r"^rule ", text, re.M)]
        for start, end in pairwise([*starts, len(text)]):
            yield path.name, text[start:end].rstrip()


def test_no_file_is_longer_than_300_lines(project):
    files = [*python_files(project), *(project / "rules").glob("*.smk")]
    long = {path.name: n for path in files if (n := len(path.read_text().splitlines())) > 300}
    assert not long


def test_entry_scripts_stay_thin(project):
    long = {
        path.name: lines
        for path in (project / "scripts").glob("*.py")
        if path.name != "cli.py" and (lines := len(path.read_text().splitlines())) > 65
    }
    assert not long


def test_files_are_named_by_the_noun_of_their_content(project):
    names = [path.name for path in python_files(project)]
    assert not FORBIDDEN_NAMES & set(names)
    assert not [name for name in names if re.search(r"_v\d+\.py$", name)]


def test_rules_are_short_documented_and_plain(project):
    rules = list(rules_of(project))
    assert len(rules) > 20
    for file, text in rules:
        name = text.split("\n")[0]
        assert len(text.splitlines()) <= 30, f"{file}: {name}"
        assert '"""' in text.split("input:")[0].split("output:")[0], f"{file}: {name} undocumented"
        assert "lambda" not in text and "    run:" not in text, f"{file}: {name}"
        assert "    log:" in text or "shell:" not in text, f"{file}: {name} has no log"


def test_helpers_hold_no_rules_and_rules_no_functions(project):
    for path in (project / "rules").glob("*.smk"):
        text = path.read_text()
        helpers = path.stem in (
            "common",
            "paths",
            "papers",
            "sources",
            "targets",
            "tasks",
            "values",
        )
        assert not helpers or len(text.splitlines()) <= 170, path.name
        assert not re.search(r"^rule " if helpers else r"^def ", text, re.M), path.name


def test_every_module_has_a_test_named_for_it(project):
    tests = " ".join(path.stem for path in (project / "tests").rglob("test_*.py"))
    modules = [
        path for path in (project / "workflow/wstal").rglob("*.py") if path.name != "__init__.py"
    ]
    untested = [
        path.relative_to(project).as_posix()
        for path in modules
        if not {path.stem, f"{path.parent.name}_{path.stem}"} & candidates(tests)
        and path.stem not in tests
    ]
    assert not untested


def candidates(tests):
    return {name.removeprefix("test_") for name in tests.split()}


def test_library_prints_nothing_and_knows_no_workflow_engine(project):
    for path in (project / "workflow/wstal").rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("print", "eval", "exec"), path
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] == "snakemake"], path


@pytest.mark.parametrize(
    "package", ["flow", "nets", "models", "losses", "train", "localize", "evaluate"]
)
def test_compute_packages_need_no_decoder_and_no_workflow_engine(project, package):
    from wstal.codehash import import_closure

    absent = {"av", "decord", "snakemake", "pytorchvideo"}
    for path in (project / "workflow/wstal" / package).rglob("*.py"):
        for file in [path, *import_closure(path, project / "workflow/wstal")]:
            found = top_level_imports(file) & absent
            assert not found, f"{path.name} needs {found} through {file.name}"


def top_level_imports(path):
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


def test_every_script_explains_itself_with_examples(project):
    for folder in ("scripts", "benchmarks"):
        for path in sorted((project / folder).glob("*.py")):
            text = path.read_text()
            if '__name__ == "__main__"' in text:  # the others are imported by these
                assert "Examples" in (ast.get_docstring(ast.parse(text)) or ""), path.name
