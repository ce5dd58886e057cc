"""The public test cases of other projects, as numbers, passed by this one.

What needs public weights is in `wstal weights verify`; its expected values are held here against
the files that their publishers wrote.
"""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml
from textured_motion import end_point_error, texture
from wstal.evaluate import detection_map
from wstal.evaluate.average_precision import video_map
from wstal.features.verify import GoldenFiles
from wstal.features.vggish_stage import snippet_windows
from wstal.flow import tvl1
from wstal.media.decoders.pyav import scan
from wstal.media.frames import read_timeline
from wstal.media.sound import read_sound

ROOT = Path(__file__).resolve().parents[2]
PEERS = yaml.safe_load((ROOT / "tests/golden/peers.yaml").read_text())
GOLDEN = yaml.safe_load((ROOT / "workflow/reference/weights/golden.yaml").read_text())


def frame(rows, *more):
    columns = ["video_id", "t_start", "t_end", "label", *more]
    return pd.DataFrame([(v, *row) for v, each in rows.items() for row in each], columns=columns)


def test_mmaction2s_detection_map():
    case = PEERS["mmaction2_detection"]
    found = detection_map(
        frame(case["ground_truth"]), frame(case["predictions"], "score"), case["tious"]
    )["map"]
    np.testing.assert_array_almost_equal(found, case["map"])
    assert found.mean() == pytest.approx(case["average"], abs=1e-6)


def test_mmaction2s_video_map():
    case = PEERS["mmaction2_videos"]
    for each in case["cases"]:
        found = video_map(np.array(case["scores"]), np.array(each["labels"], dtype=bool))
        assert found["map"] == pytest.approx(each["map"])


def test_mmaction2s_tiou_cases():
    """A candidate is correct at its tIoU and wrong right above it."""
    case = PEERS["mmaction2_tiou"]
    for candidate, row in zip(case["candidates"], case["tiou"], strict=True):
        for target, tiou in zip(case["targets"], row, strict=True):
            truth = frame({"v": [(*target, "a")]})
            found = frame({"v": [(*candidate, "a", 1.0)]}, "score")
            at = detection_map(truth, found, [max(tiou, 1e-6), min(tiou + 1e-6, 1)])["map"]
            assert list(at) == {0: [0, 0], 0.5: [1, 0], 1: [1, 1]}[tiou]


@pytest.mark.parametrize("case", PEERS["video_features_rows"], ids=lambda case: case["reference"])
def test_video_features_row_counts_and_shapes(reference, case):
    clip = reference / "data/videos/v_GGSY1Qvo990.mp4"
    with np.load(reference / "data/reference/video_features_refs.npz") as stored:
        assert list(stored[case["reference"]].shape) == case["shape"]
    if "seconds" in case:
        sound = read_sound(clip)
        whole = int(len(sound) / 16000 / case["seconds"])
        assert len(snippet_windows(sound, whole, case["seconds"])) == case["shape"][0]
        return
    if case["fps"] is None:
        count = len(scan(clip).pts)
    else:
        count = len(read_timeline(clip, case["fps"]).frame_index)
    assert (count - case["stack"]) // case["step"] + 1 == case["shape"][0]


def test_the_expected_logits_are_those_that_deepmind_wrote(reference):
    for name in ("rgb", "flow", "joint"):
        path = reference / f"data/reference/kinetics_i3d/out_imagenet_{name}.txt"
        text, expected = path.read_text(), GOLDEN["logits"][name]
        assert float(re.search(r"Norm of logits: ([\d.]+)", text)[1]) == expected["norm"]
        best = re.search(r"^[\d.e-]+ ([\d.]+) (.+)$", text, re.MULTILINE)
        assert float(best[1]) == expected["logit"]
        labels = (reference / "data/annotations/label_map.txt").read_text().splitlines()
        assert labels[GOLDEN["logits"]["class"]] == best[2] == "playing cricket"


def test_the_expected_embeddings_are_googles_and_torchvggishs(reference, tmp_path):
    import json

    facts = json.loads((reference / "data/reference/REFERENCE_FACTS.json").read_text())
    written = {
        (each["embedding_mean"], each["embedding_std"], each["post_mean"], each["post_std"])
        for each in facts["vggish_smoke_test_history"]
    }
    ours = {
        tuple(t[k] for k in ("mean", "sd", "pca_mean", "pca_sd")) for t in GOLDEN["vggish"]["sine"]
    }
    assert ours == written and len(ours) == 3
    rows = GoldenFiles(GOLDEN, tmp_path, reference / "data").array("vggish")
    assert rows.mean() == pytest.approx(GOLDEN["vggish"]["rows"]["mean"], abs=1e-4)


def turning_pair(seed, height=96, width=120):
    """A textured pair that turns and shifts, by up to 4 px: uint8 `[2, H, W]`."""
    rng = np.random.default_rng(seed)
    scene, pictures = texture(2 * height, 2 * width, seed), []
    turn, shift = rng.choice([-1, 1]) * rng.uniform(0.8, 2), rng.uniform(-1.2, 1.2, 2)
    for t in (0, 1):
        camera = cv2.getRotationMatrix2D((width, height), turn * t, 1)
        camera[:, 2] += shift * t - (width / 2, height / 2)
        pictures.append(
            cv2.warpAffine(scene, camera, (width, height), borderMode=cv2.BORDER_REFLECT)
        )
    return np.clip(np.rint(pictures), 0, 255).astype(np.uint8)


def test_flow_passes_opencvs_own_test_and_keeps_to_its_floor():
    rule, ours, floor = PEERS["opencv_tvl1"], [], []
    for seed in range(5):
        pair = turning_pair(seed)
        optimized = cv2.useOptimized()
        opencv = tvl1(pair, "opencv")
        try:
            cv2.setUseOptimized(False)
            plain = tvl1(pair, "opencv")
        finally:
            cv2.setUseOptimized(optimized)
        found = tvl1(pair, "cpu")
        near = np.linalg.norm(found - opencv, axis=-1) <= rule["within"]
        assert near.mean() >= rule["share"], seed
        ours.append(end_point_error(found, opencv)[0])
        floor.append(end_point_error(plain, opencv)[0])
    assert np.mean(floor) > 0
    assert np.mean(ours) <= rule["floor"] * np.mean(floor)
    assert np.median(ours) < 0.05
