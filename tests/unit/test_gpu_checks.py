"""What is run on a GPU box starts there: such a box may lack decoders and the workflow engine."""

import os
import re
import subprocess
import sys

import pytest

ABSENT = ("av", "decord", "snakemake", "pytorchvideo", "hdf5plugin", "jsonschema")


def run(project, folder, *command):
    """A command of Python's where those cannot be imported."""
    (folder / "sitecustomize.py").write_text(
        f"import sys\nsys.modules.update(dict.fromkeys({ABSENT}))\n"
    )
    path = os.pathsep.join([str(folder), str(project / "workflow")])
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, *command], cwd=project, env=environment, text=True, capture_output=True
    )
    return done.returncode, done.stdout + done.stderr


def test_every_gpu_test_is_collected(project, tmp_path):
    marked = {
        f"tests/unit/{path.name}"
        for path in (project / "tests/unit").glob("test_*.py")
        if re.search(r"^@pytest\.mark\.gpu|MARKS", path.read_text(), re.M)
    }
    options = ("-m", "gpu", "--collect-only", "-q", "-p", "no:cacheprovider")
    code, text = run(project, tmp_path, "-m", "pytest", *options, *sorted(marked))
    assert code == 0, text
    assert len(set(re.findall(r"^(tests/unit/\w+\.py)::", text, re.M))) >= 4, text  # without Triton


@pytest.mark.parametrize("name", ["gpu", "tvl1_gpu", "i3d", "train_step"])
def test_the_benchmarks_start(project, tmp_path, name):
    code, text = run(project, tmp_path, f"benchmarks/{name}.py", "--help")
    if "No module named 'triton'" in text:
        pytest.skip("Triton is not installed")
    assert code == 0, text
