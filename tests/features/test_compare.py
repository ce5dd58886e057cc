"""The comparison of feature files on features whose difference is known."""

import h5py
import numpy as np
import pandas as pd
import pytest
import warm_python
from wstal.base.errors import WstalError
from wstal.features.compare import (
    align,
    compare_files,
    compare_video,
    open_features,
    summarize_comparison,
)
from wstal.features.pack import SCHEMA, FeatureFile

RNG = np.random.default_rng(11)
SECONDS, WIDTH = 80.0, 48


def world(stream: int):
    """A signal over time that rows of any rate sample: smooth, non-negative, `[T, D]`."""
    rng = np.random.default_rng(stream)
    knots = np.maximum(rng.normal(0.2, 1, (int(SECONDS * 1.5), WIDTH)), 0)
    places = np.linspace(0, SECONDS, len(knots))
    return lambda t: np.stack([np.interp(t, places, knots[:, d]) for d in range(WIDTH)], 1)


WORLD = {"rgb": world(1), "flow": world(2)}


def sampled(fps=25.0, stride=16, late=0, **other):
    """Rows of `stride` frames of a video that a tool took for one of `fps` frames per second."""
    step = stride / fps
    times = (np.arange(int(SECONDS / step) - late) + 0.5 + late) * step
    return {name: signal(times).astype(np.float32) for name, signal in (WORLD | other).items()}


def causes(a, b):
    return compare_video(a, b)["causes"]


def test_equal_features_are_the_same():
    row = compare_video(sampled(), sampled())
    assert row["causes"] == "the same" and row["rate"] == 1 and row["shift"] == 0
    assert row["cosine_rgb"] == pytest.approx(1) and row["scale_flow"] == pytest.approx(1)


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_silence_is_the_same_silence(level):
    silent = sampled(audio=lambda t: np.full((len(t), WIDTH), level))
    row = compare_video(silent, silent)
    assert row["causes"] == "the same" and row["match_audio"] == pytest.approx(1)
    heard = sampled(audio=world(3))
    assert compare_video(silent, heard)["match_audio"] == pytest.approx(0, abs=0.1)


def test_frame_rates_are_found_from_lengths_and_content():
    row = compare_video(sampled(25), sampled(30))
    assert row["rows_b"] == 150 and row["rate"] == pytest.approx(1.2)
    assert "a had 25 and b 30" in row["causes"]
    assert "a had 30 and b 25" in causes(sampled(30), sampled(25))


def test_strides_are_found():
    assert "stride: 4 rows of b" in causes(sampled(), sampled(stride=4))
    assert "stride: 0.5 rows of b" in causes(sampled(stride=8), sampled(stride=16))


def test_shifts_are_found_with_their_direction():
    row = compare_video(sampled(), sampled(late=3))
    assert row["shift"] == -3 and "b is 3 rows early" in row["causes"]
    assert align(sampled(late=2), sampled()).shift == 2


def test_a_swapped_stream_order_is_found_and_streams_are_paired():
    right = sampled()
    row = compare_video(right, {"rgb": right["flow"], "flow": right["rgb"]})
    assert row["swapped"] and "stream order" in row["causes"]
    assert row["match_rgb"] == pytest.approx(1)


def test_values_before_the_relu_scales_and_lengths_of_one():
    right = sampled()
    before = {
        n: np.where(x > 0, x, -RNG.random(x.shape)).astype(np.float32) for n, x in right.items()
    }
    assert "ReLU: only b has negative values" in causes(right, before)
    assert "scale" in causes(right, {n: 3 * x for n, x in right.items()})
    unit = {n: x / np.linalg.norm(x, axis=1, keepdims=True) for n, x in right.items()}
    assert "L2: the rows of b have length 1" in causes(right, unit)


def test_noise_is_another_crop_and_other_content_no_alignment():
    right = sampled()
    noisy = {n: np.maximum(x + RNG.normal(0, 0.1, x.shape), 0) * (x > 0) for n, x in right.items()}
    assert causes(right, noisy).startswith("crop, resize")
    other = {"rgb": world(8), "flow": world(9)}
    assert "no alignment" in causes(right, sampled(**other))
    narrow = {n: x[:, :20] for n, x in right.items()}
    assert "width of rgb 48 and 20" in causes(right, narrow)


def test_other_networks_of_the_same_video_have_the_same_time():
    mix = {n: RNG.normal(size=(WIDTH, 30)) / WIDTH**0.5 for n in ("rgb", "flow")}
    right = sampled()
    other = {n: np.maximum(x @ mix[n], 0) for n, x in right.items()}
    assert causes(right, other).endswith("same time, as the rows change alike")
    late = {n: np.concatenate([x[:2], x[:-2]]) for n, x in other.items()}
    assert causes(right, late).endswith("time shift: b is 2 rows late, as the rows change alike")
    foreign = {
        n: np.maximum(x @ mix[n], 0) for n, x in sampled(rgb=world(8), flow=world(9)).items()
    }
    assert "time unknown" in causes(right, foreign)
    assert "time not compared" in causes(right, {n: x[:100] for n, x in other.items()})


def test_short_videos_are_compared_without_alignment():
    short = {n: x[:2] for n, x in sampled().items()}
    assert compare_video(short, short)["causes"] == "the same"
    one = {n: x[:1] for n, x in sampled().items()}
    assert compare_video(one, short)["rows_b"] == 2


def write(path, videos):
    with h5py.File(path, "w") as file:
        file.attrs.update(schema=SCHEMA, dataset="d", recipe="r", fps=25.0, step=0.64, t0=0.0)
        for video, streams in videos.items():
            group = file.create_group(video)
            group.attrs.update(id=video, split="test", duration=SECONDS, status="ok")
            for name, array in streams.items():
                group[name] = array
    return path


def test_files_are_compared_by_id_and_summarized(tmp_path):
    ours = {"x": sampled(), "y": sampled(), "only": sampled()}
    theirs = {"v_x": sampled(30), "v_y": sampled(30)}
    with (
        FeatureFile(write(tmp_path / "a.h5", ours)) as a,
        FeatureFile(write(tmp_path / "b.h5", theirs)) as b,
    ):
        rows = compare_files(a, b)
    assert [row["id"] for row in rows] == ["x", "y"]
    said = dict(summarize_comparison(rows))
    assert said["videos compared"] == "2" and said["of equal length"] == "0"
    assert said["length b / a, median"] == "1.200"
    assert said["frame rate: as if a had 25 and b 30 frames per second"] == "2 videos"


def test_files_without_a_common_video_are_refused(tmp_path):
    with (
        FeatureFile(write(tmp_path / "a.h5", {"x": sampled()})) as a,
        FeatureFile(write(tmp_path / "b.h5", {"z": sampled()})) as b,
        pytest.raises(WstalError, match="no video.*'x'.*'z'"),
    ):
        compare_files(a, b)


def test_a_folder_of_arrays_is_compared_without_an_import(tmp_path):
    ours, theirs = {"x": sampled()}, sampled()
    (tmp_path / "arrays").mkdir()
    np.save(tmp_path / "arrays/v_x.npy", theirs["rgb"])
    np.save(tmp_path / "arrays/v_x-flow.npy", theirs["flow"])
    with (
        open_features(write(tmp_path / "a.h5", ours)) as a,
        open_features(tmp_path / "arrays") as b,
    ):
        (row,) = compare_files(a, b)
    assert row["causes"] == "the same" and row["match_flow"] == pytest.approx(1)
    (tmp_path / "none").mkdir()
    with pytest.raises(WstalError, match=r"none: no file \*_rgb\.npy"):
        open_features(tmp_path / "none")


def test_the_script_prints_and_writes(project, tmp_path):
    import sys

    files = [
        write(tmp_path / name, {"x": sampled(fps)}) for name, fps in (("a.h5", 25), ("b.h5", 30))
    ]
    done = warm_python.run(
        [
            sys.executable,
            *("-m", "wstal", "compare-features"),
            *files,
            "--output",
            tmp_path / "c.csv",
            "--plot",
            tmp_path / "c.svg",
        ],
    )
    assert done.returncode == 0, done.stderr
    assert "as if a had 25 and b 30" in done.stdout
    assert pd.read_csv(tmp_path / "c.csv").loc[0, "rate"] == 1.2
    assert "25 against 30 fps" in (tmp_path / "c.svg").read_text()
