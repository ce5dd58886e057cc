"""The conda files, the lock and pyproject.toml agree."""

import re
import tomllib

import pytest
import yaml


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
