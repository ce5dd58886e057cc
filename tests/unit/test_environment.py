"""The conda files, the lock and pyproject.toml agree."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from wstal.codehash import import_closure

PACKAGES = {"cv2": "opencv-contrib-python-headless", "yaml": "pyyaml"}  # of another name
OPTIONAL = {"torchcodec", "triton"}  # used where they are installed


def name_of(requirement):
    return re.split(r"[<>=\[ ]", requirement)[0].lower()


@pytest.fixture
def ranges(project):
    content = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    return {name_of(item): item for item in content["dependencies"]}


def pip_part(path):
    dependencies = yaml.safe_load(path.read_text())["dependencies"]
    return [item for part in dependencies if isinstance(part, dict) for item in part["pip"]]


def test_conda_environment_has_every_dependency_with_the_same_range(project, ranges):
    listed = [item for item in pip_part(project / "environment.yml") if not item.startswith("--")]
    assert sorted(listed) == sorted(ranges.values())


def test_stage_environments_use_the_same_ranges(project, ranges):
    files = sorted((project / "envs").glob("*.yaml"))
    assert len(files) == 3
    for path in files:
        listed = pip_part(path)
        assert set(listed) <= set(ranges.values()), path.name
        assert len(listed) == len(set(listed)), path.name


def test_lock_pins_every_dependency_and_pulls_no_gpu_build(project, ranges):
    lines = [
        line
        for path in sorted((project / "envs/lock").glob("*.txt"))
        for line in path.read_text().split()
    ]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    pinned = {name_of(line) for line in lines}
    assert {name.replace("_", "-") for name in ranges} <= {n.replace("_", "-") for n in pinned}
    assert not [name for name in pinned if name.startswith(("nvidia", "cuda", "triton"))]


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
            if "envs/" in block and "python scripts/" in block:
                yield block.partition(":")[0], block


def test_every_rules_environment_has_what_its_script_imports(project):
    package, seen = project / "workflow/wstal", set()
    methods = sorted(path.stem for path in (project / "workflow/config/models").glob("*.yaml"))
    lacking = {}
    for rule, block in rule_blocks(project):
        environment = project / "envs" / Path(re.search(r"envs/([\w.]+)", block)[1])
        script = project / re.search(r"python (scripts/\w+\.py)", block)[1]
        by_name = re.search(r'method_digest\("[^"]+", "(\w+)"\)', block)
        modules = [f"wstal.{by_name[1]}.{method}" for method in methods] if by_name else []
        files = [script, *import_closure(script, package, modules)]
        needed = set().union(*(packages_of(file, project) for file in files))
        if absent := needed - {name_of(item) for item in pip_part(environment)}:
            lacking[rule, environment.name] = sorted(absent)
        seen.add(rule)
    assert {"localize", "train", "evaluate", "frames", "table"} <= seen
    assert not lacking
