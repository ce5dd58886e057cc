"""The I3D stages over stage files: rows on the time grid, statuses, the entry script."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from wstal.features.i3d_stage import i3d_extractor
from wstal.features.stage_inputs import StageInput
from wstal.nets.ten_crop import TenCrop
from wstal.nets.weights import save_half, untrained_i3d
from wstal.store import Record, create_arrays, read_arrays, read_attrs, read_shard, write_shard

RECIPE = {
    "weights": {"rgb": "untrained", "flow": "untrained"},
    "width": 0.0625,
    "short_side": 32,
    "interpolation": "bilinear",
    "crop": 32,
    "snippet": 16,
    "stride": 16,
    "tail": "drop",
    "precision": "fp32",
    "batch": 2,
}
FRAMES = {"long": 40, "short": 5, "single": 1}


@pytest.fixture
def stages(tmp_path):
    """Stage files of three videos with cached pixels, and the manifests over them."""
    rng = np.random.default_rng(0)
    records = {"frames": [], "flow": []}
    for video, count in FRAMES.items():
        arrays = {
            "frames": {
                "frame_index": np.arange(count),
                "rgb": rng.integers(0, 256, (count, 40, 48, 3)).astype(np.uint8),
            },
            "flow": {"flow": rng.integers(-127, 128, (count - 1, 32, 38, 2)).astype(np.int8)},
        }
        for stage in arrays:
            path = tmp_path / stage / f"{video}.h5"
            with create_arrays(path, id=video, stage=stage, key="k", provenance={}) as file:
                file.attrs["fps"] = 25.0
                for name, array in arrays[stage].items():
                    stream = file.stream(name, array.shape[1:], array.dtype, chunk_rows=16)
                    stream.append(array)
            records[stage].append(Record(video, "ok", count, "s", path.name, stage))
    paths = {stage: tmp_path / stage / "shard0.csv" for stage in records}
    for stage, path in paths.items():
        write_shard(path, [*records[stage], Record("lost", "missing", 0, "", "", "k", "no file")])
    return paths


def video(stages, name):
    files = {stage: path.parent / f"{name}.h5" for stage, path in stages.items()}
    return StageInput(name, "ok", "", "k", files)


def assert_close(ours, expected):
    """On the scale of the largest: random narrow networks give small numbers."""
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-3 * expected.max())


@pytest.mark.parametrize("stream", ["rgb", "flow"])
@pytest.mark.parametrize(("tail", "rows"), [("drop", [2, 1, 1]), ("repeat", [3, 1, 1])])
def test_rows_follow_the_time_grid(stages, stream, tail, rows):
    network = untrained_i3d({"rgb": 3, "flow": 2}[stream], RECIPE["width"])
    extract = i3d_extractor(stream, network, {**RECIPE, "tail": tail}, torch.device("cpu"))
    features = [extract(video(stages, name)) for name in FRAMES]
    assert [len(f) for f in features] == rows
    assert all(f.shape[1] == 64 and np.isfinite(f).all() for f in features)


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_progress_is_told_within_a_video(stages, stream):
    seen = []

    def within(video, chunks, total):
        for chunk in chunks:
            seen.append((video, len(chunk), total))
            yield chunk

    network = untrained_i3d({"rgb": 3, "flow": 2}[stream], RECIPE["width"])
    extract = i3d_extractor(stream, network, RECIPE, torch.device("cpu"), within=within)
    assert np.array_equal(
        extract(video(stages, "long")),
        i3d_extractor(stream, network, RECIPE, torch.device("cpu"))(video(stages, "long")),
    )
    assert {name for name, _, _ in seen} == {"long"}
    assert sum(count for _, count, _ in seen) >= 32 and {total for *_, total in seen} == {32}


def test_an_open_batch_size_changes_nothing(stages):
    network = untrained_i3d(3, RECIPE["width"])
    extracts = (
        i3d_extractor("rgb", network, {**RECIPE, "batch": batch}, torch.device("cpu"))
        for batch in (2, None)
    )
    features = [extract(video(stages, "long")) for extract in extracts]
    np.testing.assert_allclose(*features, rtol=1e-4, atol=1e-6)


def test_the_second_snippet_of_flow_ends_in_a_repeated_one(stages, tmp_path):
    path = stages["flow"].parent / "long.h5"
    flow = read_arrays(path)["flow"][:31]
    frames = tmp_path / "cut_frames.h5"
    for target, arrays in (
        (frames, {"frame_index": np.arange(32)}),
        (tmp_path / "cut.h5", {"flow": flow}),
    ):
        with create_arrays(target, id="cut", stage="s", key="k", provenance={}) as file:
            file.attrs["fps"] = 25.0
            for name, array in arrays.items():
                file.write(name, array)
    network = untrained_i3d(2, RECIPE["width"])
    extract = i3d_extractor("flow", network, RECIPE, torch.device("cpu"))
    cut = StageInput("cut", "ok", "", "k", {"frames": frames, "flow": tmp_path / "cut.h5"})
    snippet = np.concatenate([flow[16:], flow[-1:]])[:, :, 3:35].astype(np.float32) / 127
    with torch.no_grad():
        expected = network.features(torch.from_numpy(snippet.transpose(3, 0, 1, 2))[None])
    assert_close(extract(cut)[1], expected[0].numpy())


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_ten_crops_of_whole_pictures_are_averaged(stages, stream):
    """Pictures of 32 x 38: the first corner is a crop of its own, the whole is their mean."""
    network = untrained_i3d({"rgb": 3, "flow": 2}[stream], RECIPE["width"])
    ten = {**RECIPE, "crop_mode": "ten"}
    rows = i3d_extractor(stream, network, ten, torch.device("cpu"))(video(stages, "long"))
    assert rows.shape == (2, 64)
    if stream == "flow":
        codes = read_arrays(stages["flow"].parent / "long.h5")["flow"][:16]
        x = torch.from_numpy(codes.astype(np.float32) / 127).permute(3, 0, 1, 2)[None]
        with torch.no_grad():
            views = [network.features(view) for view in TenCrop(network, 32).crops(x)]
        assert_close(rows[0], torch.cat(views).mean(0).numpy())
    centre = i3d_extractor(stream, network, RECIPE, torch.device("cpu"))(video(stages, "long"))
    assert np.abs(rows - centre).max() > 1e-2 * centre.max()


def script(project, stages, stream, weights, output, **changes):
    call = [sys.executable, project / "scripts/extract_i3d.py", "--stream", stream]
    call += [
        "--frames",
        stages["frames"],
        "--weights",
        weights,
        "--recipe",
        json.dumps(RECIPE | changes),
    ]
    call += ["--flow", stages["flow"]] if stream == "flow" else []
    call += ["--code", "c", "--device", "cpu", "--output", output]
    return subprocess.run(call, capture_output=True, text=True)


def test_script(stages, tmp_path, project):
    weights, output = tmp_path / "own.safetensors", tmp_path / "i3d_flow/shard0.csv"
    save_half(weights, untrained_i3d(2, RECIPE["width"]), {})
    done = script(project, stages, "flow", weights, output)
    assert done.returncode == 0, done.stderr
    records = {record.id: record for record in read_shard(output)}
    assert records["long"].rows == 2 and records["lost"].status == "missing"
    file = output.parent / records["long"].path
    features = read_arrays(file)["features"]
    assert features.dtype == np.float32
    provenance = json.loads(read_attrs(file)["provenance_json"])
    assert len(provenance["weights"]) == 64 and provenance["device"].startswith("cpu")
    assert provenance["precision"] == {"mode": "fp32", "status": "exact"}
    extract = i3d_extractor("flow", untrained_i3d(2, 0.0625), RECIPE, torch.device("cpu"))
    np.testing.assert_allclose(features, extract(video(stages, "long")), rtol=0.02, atol=1e-3)


def test_script_says_untrained_and_refuses_absent_weights(stages, tmp_path, project):
    output = tmp_path / "i3d_rgb/shard0.csv"
    assert script(project, stages, "rgb", "untrained", output).returncode == 0
    file = output.parent / read_shard(output)[0].path
    assert json.loads(read_attrs(file)["provenance_json"])["weights"] == "untrained"
    absent = script(project, stages, "rgb", tmp_path / "rgb_imagenet.pt", tmp_path / "x/s.csv")
    assert absent.returncode and "fetch_weights.py i3d_rgb_imagenet" in absent.stderr
    assert "Traceback" not in absent.stderr


def test_a_lower_precision_is_stamped_unverified(stages, tmp_path, project):
    output = tmp_path / "i3d_rgb/shard0.csv"
    done = script(project, stages, "rgb", "untrained", output, precision="bf16")
    assert done.returncode == 0, done.stderr
    provenance = json.loads(
        read_attrs(output.parent / read_shard(output)[0].path)["provenance_json"]
    )
    assert provenance["precision"] == {"mode": "bf16", "status": "unverified"}
    refused = script(project, stages, "rgb", "untrained", tmp_path / "x/s.csv", precision="fp16")
    assert refused.returncode and "needs a GPU" in refused.stderr
