"""The wheel has the whole workflow, runs it in an empty folder, and makes nothing anew there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import warm_python
import yaml
from built_once import built_once
from workflow_project import CONFIG

FOLDER = "wstal_project"
LEFT_OUT = {  # of the repository, and why
    *(".ci", ".githooks", ".github", ".gitignore", ".devcontainer"),  # for those who change it
    *("Makefile", "pyproject.toml", "environment.yml", "tests", "benchmarks"),
    *("docs", "README.md", "CONTRIBUTING.md", "CITATION.cff", "LICENSE", "results"),  # its metadata
    ".snakemake-workflow-catalog.yml",
}


@pytest.fixture
def mini(simulation) -> dict:
    """Configuration of a dataset of a name that the project does not know."""
    about = {"kind": "simulated", "recipe": "sim128", "protocol": "thumos14_sim", "note": "test"}
    return {"min_free": 0, "datasets": {"mini": about | {"simulate": simulation}}}


@pytest.fixture(scope="module")
def wheel(project, tmp_path_factory) -> Path:
    """The wheel of this checkout."""

    def build(folder: Path) -> None:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(command, cwd=project, check=True, capture_output=True)

    return next(built_once(tmp_path_factory, "wheel", build).glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The Python of a new environment with the wheel, beside the libraries of this one."""
    folder = tmp_path_factory.mktemp("environment") / ".venv"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin/python"
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    command = [sys.executable, "-m", "pip", "--python", python, "install", *options, wheel]
    subprocess.run(command, check=True, capture_output=True)
    site = next(folder.glob("lib/python*/site-packages"))
    # Of a folder that a .pth file names, Python reads no .pth files: not this checkout's.
    (site / "libraries.pth").write_text(f"{Path(yaml.__file__).parents[1]}\n")
    return python


def run(python: Path, folder: Path, *words: str | Path) -> str:
    """Run a module of an environment in a folder; return what it prints."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, "-m", *words]
    done = subprocess.run(command, cwd=folder, env=own, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


def test_a_wheel_has_every_file_of_the_repository_that_a_user_needs(project, wheel):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=project, check=True, text=True, capture_output=True,
    ).stdout.splitlines()  # fmt: skip
    here = {name for name in listed if (project / name).is_file()}
    needed = {name for name in here if name.partition("/")[0] not in LEFT_OUT}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    packed = {name.removeprefix(f"{FOLDER}/") for name in names if name.startswith(FOLDER)}
    assert packed == needed
    assert {name.partition("/")[0] for name in here} - LEFT_OUT == {
        *("Snakefile", "envs", "profiles", "rules", "scripts", "workflow"),
    }
    others = {name for name in names if not name.startswith(FOLDER)}
    assert {name for name in others if ".dist-info/" not in name} == {"wstal.pth"}


def test_the_installed_workflow_runs_in_an_empty_folder(installed, tmp_path, mini):
    (tmp_path / "wstal.yaml").write_text(yaml.safe_dump(mini))
    target = "results/mini/annotations.json"
    (tmp_path / "deep").mkdir()
    run(installed, tmp_path / "deep", "wstal", "run", target, "--cores", "1")
    assert (tmp_path / target).is_file()
    assert {path.name for path in tmp_path.iterdir()} == {
        *("wstal.yaml", "deep", "results", ".snakemake"),
    }


def test_results_stay_up_to_date_under_an_installed_wheel(installed, finished_project, tmp_path):
    """Shipped weights and scripts have other paths there: no record of a result depends on them."""
    for name in ("results", "clips"):
        shutil.copytree(finished_project.root / name, tmp_path / name, symlinks=True)
    (tmp_path / "wstal.yaml").write_text(yaml.safe_dump(CONFIG))
    planned = run(installed, tmp_path, "wstal", "why", "results/tiny/co2net_map.csv")
    assert planned.strip() == "Nothing would run: everything is up to date."


MODULE = """
configfile: "settings.yaml"


module wstal:
    snakefile:
        "{root}/Snakefile"
    config:
        config


use rule * from wstal as wstal_*


rule classes:
    input:
        "results/mini/annotations.json",
    output:
        "classes.txt",
    shell:
        "grep -o classes {{input:q}} > {{output:q}}"
"""


def test_another_workflow_uses_the_rules_as_a_module(bare_project, mini, tmp_path):
    """In its own folder, and without a change to the checkout, which may be read-only."""
    before = sorted(path for path in bare_project.root.rglob("*") if "__pycache__" not in str(path))
    (tmp_path / "Snakefile").write_text(MODULE.format(root=bare_project.root))
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(mini))
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "classes.txt"]
    warm_python.run(command, cwd=tmp_path, check=True)
    assert (tmp_path / "classes.txt").read_text() == "classes\n"
    after = sorted(path for path in bare_project.root.rglob("*") if "__pycache__" not in str(path))
    assert after == before


def test_the_workflow_catalog_is_told_how_to_deploy(project):
    content = yaml.safe_load((project / ".snakemake-workflow-catalog.yml").read_text())
    assert set(content["usage"]) == {"mandatory-flags", "software-stack-deployment", "report"}
