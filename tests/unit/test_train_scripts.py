"""train.py, score.py and localize.py by hand, as the rules call them."""

import json
import subprocess
import sys

from small_set import small_config, write_small_set
from wstal.data.annotations import training_view, write_annotations
from wstal.evaluate.detections import read_detections, read_detections_by_iteration
from wstal.train import checkpoint


def run(project, script, *arguments):
    command = [sys.executable, str(project / "scripts" / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_from_features_to_proposals(tmp_path, project):
    features, annotations = write_small_set(tmp_path, train=4)
    write_annotations(tmp_path / "labels.json", training_view(annotations))
    config = small_config(project)
    localize = json.dumps(config.pop("localize"))
    out = tmp_path / "seed0"
    code, said = run(
        project, "train.py", "--features", features,
        "--annotations", tmp_path / "labels.json", "--config", json.dumps(config), "--seed", 0,
        "--device", "cpu", "--code", "abc", "--checkpoint", out / "checkpoint.pt",
        "--log", out / "log.csv", "--scores-by-iteration", out / "history.h5",
    )  # fmt: skip
    assert code == 0, said
    assert (
        "iteration 8" in said
        and "classes with a single training video train without pairs: class1, class2" in said
    )
    assert checkpoint.load(out / "checkpoint.pt")["code"] == "abc"
    code, said = run(
        project, "score.py", "--features", features, "--checkpoint", out / "checkpoint.pt",
        "--device", "cpu", "--output", out / "scores.h5",
    )  # fmt: skip
    assert code == 0, said
    code, said = run(
        project, "localize.py", "--method", "co2net", "--scores", out / "scores.h5",
        "--scores-by-iteration", out / "history.h5", "--config", localize,
        "--output", out / "proposals.json", "--by-iteration", out / "history.json.gz",
        "--constant-attention", out / "constant.json",
    )  # fmt: skip
    assert code == 0, said
    found = read_detections(out / "proposals.json")
    assert set(found["video_id"]) <= set(annotations.ids("test"))
    assert list(read_detections_by_iteration(out / "history.json.gz")) == [5, 10, 12]
    constant = read_detections(out / "constant.json")
    assert (constant["t_start"] == 0).all() and len(constant) >= 3
    code, said = run(
        project, "score.py", "--features", features, "--checkpoint", out / "log.csv",
        "--output", out / "x.h5",
    )  # fmt: skip
    assert code == 1 and "not a readable checkpoint" in said and "Traceback" not in said


def test_localization_needs_no_torch(project):
    code = "import sys, wstal.localize.co2net, wstal.localize.detections; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
