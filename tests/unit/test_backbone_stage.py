"""The entry script of the backbones; what the stage computes, each backbone's test says."""

import json
import subprocess
import sys

from backbone_cases import RECIPE, decoded_clip
from wstal.store import read_arrays, read_attrs, read_shard


def test_script(project, tmp_path):
    output = tmp_path / "r2plus1d/shard0.csv"
    call = [sys.executable, project / "scripts/extract_backbone.py", "--network", "r2plus1d"]
    call += ["--frames", decoded_clip(tmp_path), "--recipe", json.dumps(RECIPE), "--code", "c"]
    call += ["--device", "cpu", "--output", output, "--weights"]
    done = subprocess.run([*call, "untrained"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    file = output.parent / read_shard(output)[0].path
    assert read_arrays(file)["features"].shape == (2, 512)
    assert json.loads(read_attrs(file)["provenance_json"])["weights"] == "untrained"
    absent = subprocess.run([*call, tmp_path / "X3D_M.pyth"], capture_output=True, text=True)
    assert absent.returncode and "fetch_weights.py x3d_m_kinetics" in absent.stderr
