"""The doctor of features: each simulated fault of a real video is named."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from video_clips import write_clip
from wstal.base.errors import WstalError
from wstal.commands.compare_features import COMMAND
from wstal.features.compare import compare_video
from wstal.features.doctor import NONE, examine

from benchmarks.studies.features_doctor import (
    INPUT_FAULTS,
    compute,
    demo_networks,
    published_rows,
    read_inputs,
    row_faults,
    write_video,
)

SIZE = {"short_side": 72, "crop": 64}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def published(reference):
    return reference / "data/thumos14_video"


@pytest.fixture(scope="module")
def clip(published, tmp_path_factory):
    """The first twelve snippets, with their pictures by OpenCV."""
    video = write_video(published, tmp_path_factory.mktemp("video"), 192)
    return video, read_inputs(video, SIZE["short_side"], cv2.INTER_LINEAR)


def test_faults_of_rows_and_time_are_named(published):
    cases = list(row_faults(published_rows(published)))
    assert [case.fault for case in cases if not case.named] == [] and len(cases) == 5
    assert min(case.confidence for case in cases) > 0.5


FAST = ("BGR in place of RGB", "sign of flow reversed", "off by one frame")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, marks=() if fault in FAST else pytest.mark.slow)
        for fault in (NONE, *INPUT_FAULTS)
    ],
)
def test_faults_of_the_input_are_named(clip, fault):
    video, inputs = clip
    networks = demo_networks()
    stream, expected = INPUT_FAULTS.get(fault, ("rgb", NONE))
    theirs = compute({stream: networks[stream]}, inputs, SIZE["crop"], fault)
    found = examine(video, theirs, networks, rows=4, **SIZE)[stream]
    assert found.fault.startswith(expected), found
    assert found.confidence > 0.5 and found.match > 0.9


def test_rows_of_another_network_are_explained_by_no_fault(clip):
    video, _ = clip
    theirs = {"rgb": np.random.default_rng(0).random((12, 256), np.float32)}
    found = examine(video, theirs, demo_networks(), rows=4, **SIZE)["rgb"]
    assert str(found).startswith("no fault explains these rows")


def test_another_video_is_refused(tmp_path):
    video = write_clip(tmp_path / "clip.mkv", 40, size=(80, 80))
    with pytest.raises(WstalError, match="has 2 snippets, the features 9 rows"):
        examine(video, {"rgb": np.zeros((9, 4))}, {}, **SIZE)
    with pytest.raises(WstalError, match="at least 5 are needed"):
        examine(video, {"rgb": np.zeros((2, 4))}, {}, **SIZE)


def test_what_rows_alone_tell_of_the_input():
    rng = np.random.default_rng(3)
    rows = {name: rng.random((40, 16)).astype(np.float32) for name in ("rgb", "flow")}
    noisy = {name: x + 0.1 * rng.random(x.shape).astype(np.float32) for name, x in rows.items()}
    cases = {
        "input of rgb alone": {"rgb": noisy["rgb"], "flow": rows["flow"]},
        "input of flow alone": {"rgb": rows["rgb"], "flow": noisy["flow"]},
        "crop, resize": noisy,
        "scaled twice: the rows of b": {n: 0.3 + x / 1000 for n, x in rows.items()},
        "the same": rows,
    }
    for expected, other in cases.items():
        assert compare_video(rows, other)["causes"].startswith(expected), expected
    certain = compare_video(rows, rows)["confidence"], compare_video(rows, noisy)["confidence"]
    assert certain == (1, 0)


def test_the_command_gives_the_doctor_aligned_rows(tmp_path, capsys, monkeypatch):
    from wstal.features import doctor

    rng, asked = np.random.default_rng(5), []
    rows = {name: rng.random((40, 256)).astype(np.float32) for name in ("rgb", "flow")}
    for folder, first in (("ours", 0), ("theirs", 1)):
        (tmp_path / folder).mkdir()
        for name, array in rows.items():
            np.save(tmp_path / folder / f"clip_{name}.npy", array[first:])

    def examine(video, theirs, networks, **size):
        asked.append((video, theirs, set(networks), size))
        return {"rgb": doctor.Finding("colours: BGR in place of RGB", 0.99, 0.9, 0.97)}

    monkeypatch.setattr(doctor, "examine", examine)
    call = [tmp_path / "ours", tmp_path / "theirs", "--video", tmp_path / "clip.mkv"]
    with pytest.raises(SystemExit) as done:
        COMMAND.run([*map(str, call), "--recipe", "demo_i3d"])
    assert not done.value.code
    out = capsys.readouterr().out
    assert "rgb of clip.mkv: colours: BGR in place of RGB, confidence 0.97" in out
    ((_, theirs, streams, size),) = asked
    np.testing.assert_array_equal(theirs["flow"][1:], rows["flow"][1:-1])
    assert streams == {"rgb", "flow"} and size["crop"] == size["short_side"] == 112
    for words, message in (
        ([], "is not as wide as the rows of recipe i3d_tvl1"),
        (["--id", "other"], "'other' is not in both files"),
    ):
        with pytest.raises(SystemExit) as done:
            COMMAND.run([*map(str, call), *words])
        assert message in str(done.value.code)


def test_the_matrix_of_the_docs_is_the_recorded_one():
    record = json.loads((ROOT / "benchmarks/results/features_doctor.json").read_text())["results"]
    page = (ROOT / "docs/datasets.md").read_text()
    rows = dict(re.findall(r"^\| ([^|]+) \| [^|]+ \| [^|]+ \| (\d\.\d\d) \|$", page, re.MULTILINE))
    wanted = {case["fault"]: f"{case['confidence']:.2f}" for case in record["matrix"]}
    assert rows == wanted
    assert record["named"] == record["faults"] == 12
