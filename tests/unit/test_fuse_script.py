"""scripts/fuse.py: the files of two streams in, those of a run out."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from wstal.evaluate.detections import read_detections, read_detections_by_iteration
from wstal.localize.detections import write_proposals, write_proposals_by_iteration
from wstal.localize.scores import Scores, VideoScores, read_scores, write_scores

FILES = (
    "scores.h5",
    "proposals.json",
    "proposals_by_iteration.json.gz",
    "proposals_constant_attention.json",
)
COLUMNS = ["video_id", "t_start", "t_end", "label", "score"]


def frame(*rows):
    return pd.DataFrame(rows, columns=COLUMNS)


def write_stream(folder, value, found, iterations):
    folder.mkdir()
    own = VideoScores(np.full((4, 2), value), np.full(4, value), np.array([value]))
    quiet = VideoScores(np.zeros((2, 2)), np.zeros(2), np.zeros(1))
    scores = Scores(["run"], {"a": own, "b": quiet}, "probability", 9, provenance={"v": value})
    paths = [folder / name for name in FILES]
    write_scores(paths[0], scores)
    write_proposals(paths[1], found, scores, {})
    pairs = ((Scores(["run"], scores.videos, "probability", n), found) for n in iterations)
    write_proposals_by_iteration(paths[2], pairs, {})
    write_proposals(paths[3], found.assign(t_start=0.0, t_end=2.0), scores, {})
    return [str(path) for path in paths]


@pytest.fixture
def fuse(project, tmp_path):
    def run(rgb, flow, config='{"fusion": {"iou": 0.4, "discount": 0.5}}'):
        paths = [str(tmp_path / "acn" / name) for name in FILES]
        command = ["scripts/fuse.py", "--rgb", *rgb, "--flow", *flow, "--config", config]
        done = subprocess.run(
            [sys.executable, *command, "--output", *paths],
            cwd=project,
            text=True,
            capture_output=True,
        )
        return done, [tmp_path / "acn" / name for name in FILES]

    return run


def test_four_files_of_a_run(fuse, tmp_path):
    rgb = write_stream(tmp_path / "rgb", 0.2, frame(("a", 0.0, 1.0, "run", 0.6)), (1, 2, 3))
    flow = write_stream(tmp_path / "flow", 0.4, frame(("a", 2.0, 3.0, "run", 0.2)), (2, 3, 4))
    done, paths = fuse(rgb, flow)
    assert done.returncode == 0, done.stderr
    expected = frame(("a", 2.0, 3.0, "run", 0.6), ("a", 0.0, 1.0, "run", 0.4))
    pd.testing.assert_frame_equal(read_detections(paths[1]), expected)
    later = read_detections_by_iteration(paths[2])
    assert list(later) == [2, 3]
    pd.testing.assert_frame_equal(later[3], expected)
    assert len(read_detections(paths[3])) == 1  # alike in both streams there
    scores = read_scores(paths[0])
    assert scores.videos["a"].cas == pytest.approx(np.full((4, 2), 0.3))
    assert scores.videos["a"].attentions.keys() == {"rgb", "flow"}
    content = json.loads(paths[1].read_text())
    assert content["results"]["b"] == []
    provenance = content["external_data"]["provenance"]
    assert provenance["fused"] == {"rgb": {"v": 0.2}, "flow": {"v": 0.4}}
    folder = tmp_path.name  # {run}/seed{n}/scores.h5 in the DAG
    assert provenance["runs"] == {"rgb": folder, "flow": folder}


def test_streams_without_a_common_iteration(fuse, tmp_path):
    one = frame(("a", 0.0, 1.0, "run", 0.6))
    rgb = write_stream(tmp_path / "rgb", 0.2, one, (1,))
    done, paths = fuse(rgb, write_stream(tmp_path / "flow", 0.4, one, (2,)))
    assert done.returncode and "train.score_interval" in done.stderr
    assert not paths[0].exists() and not paths[2].exists()
