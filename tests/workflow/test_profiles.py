"""The profiles: options that exist, and which rules ask for a GPU."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec

import pytest
import warm_python
import yaml

FOLDER = "workflow/profiles"
ON_A_GPU = {"flow", "i3d_rgb", "i3d_flow", "vggish", "train", "score"}
TARGET = "results/tiny/co2net_map.csv"


def snakemake(project, *arguments):
    """Without `--cores`, which the profiles have a say in."""
    command = [sys.executable, "-m", "snakemake", "--configfile", "tiny.yaml", *arguments]
    return warm_python.run(command, cwd=project.root)


def read(project, name):
    return yaml.safe_load((project / FOLDER / name / "config.yaml").read_text())


def core_profile(bare_project, name, folder):
    """The profile without what only its plugin knows, for a machine without it."""
    profile = read(bare_project.root, name)
    prefix = f"{profile.pop('executor', 'none')}-"
    kept = {key: value for key, value in profile.items() if not key.startswith(prefix)}
    (folder / "config.yaml").write_text(yaml.safe_dump(kept))
    return str(folder)


def resources(text):
    """The resources of one job of each rule, as a dry run lists them."""
    found = {}
    for rule, job in re.findall(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)+)", text, re.M):
        line = re.search(r"^ +resources: (.*)$", job, re.M)
        found[rule] = dict(pair.split("=", 1) for pair in line[1].split(", "))
    return found


@pytest.fixture(scope="module")
def planned(bare_project, tmp_path_factory):
    """What each rule asks for under the profiles, by profile and rule."""
    found = {}
    for name, overrides in {
        "slurm": (),
        "multigpu": ("--config", "device=cuda"),  # the GPUs of the machine; here there may be none
    }.items():
        profile = core_profile(bare_project, name, tmp_path_factory.mktemp(name))
        done = snakemake(bare_project, "--profile", profile, "--dry-run", TARGET, *overrides)
        assert not done.returncode, done.stdout + done.stderr
        found[name] = resources(done.stdout + done.stderr)
    return found


@pytest.mark.parametrize("name", ["slurm", "multigpu"])
def test_gpu_jobs_are_those_that_run_networks(planned, name):
    jobs = planned[name]
    assert {rule for rule, asked in jobs.items() if asked.get("gpu") == "1"} == ON_A_GPU
    assert {jobs[rule]["device"] for rule in ON_A_GPU} == {"cuda"}


def test_what_the_slurm_profile_asks_for(planned, bare_project):
    jobs = planned["slurm"]
    minutes = {rule: int(asked["runtime"]) for rule, asked in jobs.items() if "runtime" in asked}
    assert minutes["probe"] < minutes["i3d_rgb"] == minutes["train"]
    assert (
        int(jobs["train"]["mem_mb"]) > int(jobs["i3d_rgb"]["mem_mb"]) > int(jobs["probe"]["mem_mb"])
    )
    rules = "".join(path.read_text() for path in (bare_project.root / "rules").glob("*.smk"))
    named = set(read(bare_project.root, "slurm")["set-resources"])
    asking = set(
        re.findall(
            r"^rule (\w+):(?:(?!^rule ).)*?(?:gpu=GPU|[*]{2}(?:ON_GPU|TRAINING))",
            rules,
            re.M | re.S,
        )
    )
    assert named <= set(re.findall(r"^rule (\w+):", rules, re.M))
    assert asking <= named and asking >= ON_A_GPU


def test_the_slurm_plugin_knows_its_options(bare_project):
    if not find_spec("snakemake_executor_plugin_slurm"):
        pytest.skip("snakemake-executor-plugin-slurm is not installed")
    done = snakemake(bare_project, "--profile", f"{FOLDER}/slurm", "--dry-run", TARGET)
    assert not done.returncode, done.stdout + done.stderr


def test_a_key_that_is_no_option_ends_the_run(bare_project, tmp_path):
    (tmp_path / "config.yaml").write_text("cores: 1\nlatency-weight: 30\n")
    done = snakemake(bare_project, "--profile", str(tmp_path), "--dry-run", TARGET)
    assert done.returncode == 2 and "latency-weight" in done.stderr


def test_a_profile_that_promises_gpus_is_not_answered_with_cpus(
    bare_project, tmp_path, monkeypatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    profile = core_profile(bare_project, "slurm", tmp_path)
    arguments = ("--profile", profile, "--dry-run", TARGET, "--config", "accept_code={}")
    lost = snakemake(bare_project, *arguments)
    assert lost.returncode and "--config device=cuda" in lost.stdout + lost.stderr
    for device, gpu in (("cuda", "1"), ("cpu", "0")):
        done = snakemake(bare_project, *arguments, f"device={device}")
        assert resources(done.stdout + done.stderr)["train"]["gpu"] == gpu


def test_the_message_of_a_job_that_fails_is_on_the_screen(bare_project, tmp_path):
    project = bare_project.copy(tmp_path / "wstal")
    wrong = 'datasets={"demo": {"render": {"content": "nonsense"}}}'
    done = project.snakemake("results/demo/videos/labels.csv", "--config", wrong, check=False)
    assert done.returncode and "expected seed, test and train" in done.stdout + done.stderr


def test_why_has_the_reason_of_a_run_that_is_refused(bare_project):
    done = bare_project.wstal("why", "results/tiny/no_map.csv", "--configfile", "tiny.yaml")
    assert (
        done.returncode
        and "no rule makes results/tiny/no_map.csv: 'no' is not a run" in done.stderr
    )
