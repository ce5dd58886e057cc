"""The network stages over files of the earlier stages, and the scripts that run them.

Rows lie on the time grid; flow that is streamed into Inception-I3D gives what kept flow gives;
VGGish has as many rows, and hears silence where there is no sound. What a backbone computes is
tested beside the networks.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
import warm_python
from backbone_cases import decoded_clip, settings_of
from textured_motion import sequence
from wstal.base.array_store import (
    Record,
    create_arrays,
    read_arrays,
    read_attrs,
    read_shard,
    write_shard,
)
from wstal.base.settings import to_plain
from wstal.base.stage import Job, LoadedNetwork, StageInput
from wstal.features.backbone_stage import BackboneStage
from wstal.features.i3d_stage import STAGES as I3D_STAGES
from wstal.features.i3d_stage import I3DSettings, I3DWeights
from wstal.features.rows import StreamRowSettings
from wstal.features.vggish_stage import VggishSettings, VggishStage, snippet_windows
from wstal.networks.i3d.inference import TenCrop
from wstal.networks.i3d.network import untrained_i3d
from wstal.networks.vggish import untrained_vggish
from wstal.networks.weights import save_half

WIDTH = 0.0625
I3D = I3DSettings(
    I3DWeights("untrained", "untrained"), width=WIDTH, short_side=32, crop=32, batch=2
)
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


def extractor(stream, settings=I3D, network=None, **options):
    """The function from a video to its rows, by a seeded random network."""
    network = network or untrained_i3d({"rgb": 3, "flow": 2}[stream], WIDTH)
    loaded = LoadedNetwork(network, "untrained", "untrained")
    job = Job("c", Path(), network=loaded, **options)
    return I3D_STAGES[f"i3d_{stream}"].extractor(settings, job)


def assert_close(ours, expected):
    """On the scale of the largest: random narrow networks give small numbers."""
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-3 * expected.max())


@pytest.mark.parametrize("stream", ["rgb", "flow"])
@pytest.mark.parametrize(("tail", "rows"), [("drop", [2, 1, 1]), ("repeat", [3, 1, 1])])
def test_rows_follow_the_time_grid(stages, stream, tail, rows):
    extract = extractor(stream, replace(I3D, tail=tail))
    features = [extract(video(stages, name)) for name in FRAMES]
    assert [len(f) for f in features] == rows
    assert all(f.shape[1] == 64 and np.isfinite(f).all() for f in features)


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_rows_that_overlap_are_those_of_their_frames_and_frames_come_once(stages, stream):
    network = untrained_i3d({"rgb": 3, "flow": 2}[stream], WIDTH)
    seen = []

    def within(video, chunks, total):
        for chunk in chunks:
            seen.append(len(chunk))
            yield chunk

    long, dense = video(stages, "long"), replace(I3D, stride=4, window=18, batch=3)
    rows = extractor(stream, dense, network, within=within)(long)
    assert len(rows) == 1 + (40 - 18) // 4 and sum(seen) <= 40
    name = {"rgb": ("frames", "rgb"), "flow": ("flow", "flow")}[stream]
    pictures = read_arrays(long.files[name[0]])[name[1]].astype(np.float32)
    if stream == "flow":  # of 32 x 38, cropped to the middle 32
        x = torch.from_numpy(pictures[12:30, :, 3:35] / 127).permute(3, 0, 1, 2)[None]
        with torch.no_grad():
            assert_close(rows[3], network.features(x)[0].numpy())
    whole = extractor(stream, replace(I3D, window=18, stride=12, batch=3), network)(long)
    assert_close(rows[[0, 3]], whole[:2])  # other batches, other pictures in between


def test_each_stream_may_have_rows_of_its_own(stages):
    own = replace(I3D, stride=4, per_stream={"flow": StreamRowSettings(stride=8, tail="pad")})
    rows = {s: extractor(s, own)(video(stages, "long")) for s in ("rgb", "flow")}
    assert {s: len(found) for s, found in rows.items()} == {"rgb": 7, "flow": 5}


def test_a_video_shorter_than_a_window_is_partial_and_the_others_are_not(stages, tmp_path):
    loaded = LoadedNetwork(untrained_i3d(3, WIDTH), "untrained", "untrained")
    job = Job("c", tmp_path / "made", network=loaded)
    shards = {"frames": stages["frames"]}
    records = I3D_STAGES["i3d_rgb"].shard(shards, replace(I3D, window=32), job)
    found = {r.id: (r.status, r.rows, r.reason) for r in records}
    assert found["long"] == ("ok", 1, "") and found["lost"][0] == "missing"
    for name in ("short", "single"):
        status, rows, reason = found[name]
        assert (status, rows) == ("partial", 1)
        assert f"i3d_rgb: its {FRAMES[name]} frames are fewer than a row sees (32:" in reason


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_progress_is_told_within_a_video(stages, stream):
    seen = []

    def within(video, chunks, total):
        for chunk in chunks:
            seen.append((video, len(chunk), total))
            yield chunk

    long = video(stages, "long")
    assert np.array_equal(extractor(stream, within=within)(long), extractor(stream)(long))
    assert {name for name, _, _ in seen} == {"long"}
    assert sum(count for _, count, _ in seen) >= 32 and {total for *_, total in seen} == {32}


def test_an_open_batch_size_changes_nothing(stages):
    extracts = [extractor("rgb", replace(I3D, batch=batch)) for batch in (2, None)]
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
    network = untrained_i3d(2, WIDTH)
    extract = extractor("flow", network=network)
    cut = StageInput("cut", "ok", "", "k", {"frames": frames, "flow": tmp_path / "cut.h5"})
    snippet = np.concatenate([flow[16:], flow[-1:]])[:, :, 3:35].astype(np.float32) / 127
    with torch.no_grad():
        expected = network.features(torch.from_numpy(snippet.transpose(3, 0, 1, 2))[None])
    assert_close(extract(cut)[1], expected[0].numpy())


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_ten_crops_of_whole_pictures_are_averaged(stages, stream):
    """Pictures of 32 x 38: the first corner is a crop of its own, the whole is their mean."""
    network = untrained_i3d({"rgb": 3, "flow": 2}[stream], WIDTH)
    ten = replace(I3D, crop_mode="ten")
    rows = extractor(stream, ten, network)(video(stages, "long"))
    assert rows.shape == (2, 64)
    if stream == "flow":
        codes = read_arrays(stages["flow"].parent / "long.h5")["flow"][:16]
        x = torch.from_numpy(codes.astype(np.float32) / 127).permute(3, 0, 1, 2)[None]
        with torch.no_grad():
            views = [network.features(view) for view in TenCrop(network, 32).crops(x)]
        assert_close(rows[0], torch.cat(views).mean(0).numpy())
    centre = extractor(stream, network=network)(video(stages, "long"))
    assert np.abs(rows - centre).max() > 1e-2 * centre.max()


def script(project, stages, stream, weights, output, **changes):
    call = [sys.executable, project / "scripts/extract_i3d.py", "--stream", stream]
    call += [
        "--frames",
        stages["frames"],
        "--weights",
        weights,
        "--recipe",
        json.dumps(to_plain(replace(I3D, **changes))),
    ]
    call += ["--flow", stages["flow"]] if stream == "flow" else []
    call += ["--code", "c", "--device", "cpu", "--output", output]
    return warm_python.run(call)


def test_script(stages, tmp_path, project):
    weights, output = tmp_path / "own.safetensors", tmp_path / "i3d_flow/shard0.csv"
    save_half(weights, untrained_i3d(2, WIDTH), {})
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
    expected = extractor("flow")(video(stages, "long"))
    np.testing.assert_allclose(features, expected, rtol=0.02, atol=1e-3)


def test_script_says_untrained_and_refuses_absent_weights(stages, tmp_path, project):
    output = tmp_path / "i3d_rgb/shard0.csv"
    assert script(project, stages, "rgb", "untrained", output).returncode == 0
    file = output.parent / read_shard(output)[0].path
    assert json.loads(read_attrs(file)["provenance_json"])["weights"] == "untrained"
    absent = script(project, stages, "rgb", tmp_path / "rgb_imagenet.pt", tmp_path / "x/s.csv")
    assert absent.returncode and "weights fetch i3d_rgb_imagenet" in absent.stderr
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


FLOW = {
    "algorithm": "tvl1",
    "short_side": 32,
    "interpolation": "bilinear",
    "bound": 20,
    "params": {"nscales": 1, "warps": 1},
}
STREAMED = {"width": 0.0625, "crop": 32, "tail": "repeat", "batch": 2}
MOVING = {"long": 40, "single": 1, "lost": 0}


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """The frames stage of a video of 40 frames, one of a single frame and one that is missing."""
    folder = tmp_path_factory.mktemp("frames")
    records = [Record("lost", "missing", 0, "", "", "k", "no file")]
    for name in ("long", "single"):
        gray = sequence(MOVING[name], 36, 44)
        rgb = np.stack([cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) for image in gray])
        path = folder / f"{name}.h5"
        with create_arrays(path, id=name, stage="frames", key=name, provenance={}) as file:
            file.attrs["fps"] = 25.0
            file.write("frame_index", np.arange(len(rgb)))
            file.stream("rgb", rgb.shape[1:], rgb.dtype, chunk_rows=16).append(rgb)
        records.append(Record(name, "ok", len(rgb), "s", path.name, f"key of {name}"))
    write_shard(folder / "shard0.csv", records)
    return folder / "shard0.csv"


@pytest.fixture(scope="module")
def extract(frames, project, tmp_path_factory):
    """Run an extraction script with the common arguments; its records by video."""

    def run(script, *arguments):
        output = tmp_path_factory.mktemp(script) / "shard0.csv"
        call = [sys.executable, project / f"scripts/{script}.py", "--frames", frames]
        done = warm_python.run([*call, *arguments, "--output", output, "--device", "cpu"])
        assert done.returncode == 0, done.stderr
        return output, {record.id: record for record in read_shard(output)}

    return run


def streamed(extract, flow=FLOW, flow_code="f", code="i"):
    i3d = ["--weights", "untrained", "--recipe", json.dumps(STREAMED), "--code", code]
    own = ["--flow-recipe", json.dumps(flow), "--flow-code", flow_code]
    return extract("stream_i3d_flow", *i3d, *own)


@pytest.fixture(scope="module")
def kept(extract):
    """The same through flow files."""
    flow, _ = extract("extract_flow", "--recipe", json.dumps(FLOW), "--code", "f")
    i3d = ["--weights", "untrained", "--recipe", json.dumps(STREAMED), "--code", "i"]
    return extract("extract_i3d", "--stream", "flow", "--flow", flow, *i3d)


def test_features_and_keys_are_those_of_the_kept_flow(extract, kept):
    (folder, expected), (own, records) = kept, streamed(extract)
    assert records.keys() == expected.keys() == MOVING.keys()
    for name, record in records.items():
        assert record == expected[name], name  # status, rows, digest of the values, key, reason
    features = read_arrays(own.parent / "long.h5")["features"]
    np.testing.assert_array_equal(features, read_arrays(folder.parent / "long.h5")["features"])
    assert features.shape == (3, 64) and features.std(0).max() > 0
    provenance = json.loads(read_attrs(own.parent / "long.h5")["provenance_json"])
    assert provenance["flow"]["backend"] == "cpu"
    assert provenance["flow"]["recipe"].items() >= FLOW.items()
    assert {"device", "versions", "weights_sha256"} <= set(provenance["flow"])  # as in flow files


def test_the_flow_recipe_and_its_code_are_part_of_the_key(extract, kept):
    key = kept[1]["long"].key
    for change in ({"flow": FLOW | {"bound": 10}}, {"flow_code": "edited"}, {"code": "edited"}):
        assert streamed(extract, **change)[1]["long"].key != key, change


def test_script_of_the_backbones(project, tmp_path):
    output = tmp_path / "r2plus1d/shard0.csv"
    call = [sys.executable, project / "scripts/extract_backbone.py", "--network", "r2plus1d"]
    call += [
        "--frames",
        decoded_clip(tmp_path),
        "--recipe",
        json.dumps(to_plain(settings_of("r2plus1d"))),
        "--code",
        "c",
    ]
    call += ["--device", "cpu", "--output", output, "--weights"]
    done = warm_python.run([*call, "untrained"])
    assert done.returncode == 0, done.stderr
    file = output.parent / read_shard(output)[0].path
    assert read_arrays(file)["features"].shape == (2, 512)
    assert json.loads(read_attrs(file)["provenance_json"])["weights"] == "untrained"
    absent = warm_python.run([*call, tmp_path / "X3D_M.pyth"])
    assert absent.returncode and "weights fetch x3d_m_kinetics" in absent.stderr


def test_a_lower_precision_of_a_backbone_is_part_of_its_key_and_compiling_is_not(tmp_path):
    stage, job = BackboneStage("r2plus1d", ("frames",)), job_of(tmp_path)
    exact = stage.key_part(settings_of("r2plus1d"), job)
    assert "precision" not in exact  # features from before there was a choice stay valid
    assert stage.key_part(settings_of("r2plus1d", compile=True, batch=1), job) == exact
    low = settings_of("r2plus1d", precision="bf16")
    assert stage.key_part(low, job) == exact | {"precision": "bf16"}
    stamp = stage.provenance(low, job)["precision"]
    assert stamp == {"mode": "bf16", "status": "unverified"}


def job_of(folder):
    network = LoadedNetwork(SimpleNamespace(packages=()), "untrained", "untrained")
    return Job("c", folder, network=network)


VGGISH = VggishSettings("untrained", width=WIDTH, activation="pre", batch=2)


@pytest.fixture
def heard(tmp_path):
    """Stage files of a video with sound and of one without, and the manifests over them."""
    rng = np.random.default_rng(0)
    sounds = {
        "heard": rng.integers(-9000, 9000, 50_000).astype(np.int16),
        "mute": np.empty(0, "i2"),
    }
    statuses = {"heard": "ok", "mute": "no_audio"}
    records = {"frames": [], "audio": []}
    for name, sound in sounds.items():
        arrays = {"frames": ("frame_index", np.arange(80)), "audio": ("sound", sound)}
        for stage, (dataset, array) in arrays.items():
            path = tmp_path / stage / f"{name}.h5"
            with create_arrays(path, id=name, stage=stage, key="k", provenance={}) as file:
                file.attrs["fps"] = 25.0
                file.write(dataset, array)
            status = statuses[name] if stage == "audio" else "ok"
            records[stage].append(Record(name, status, len(array), "s", path.name, stage))
    paths = {stage: tmp_path / stage / "shard0.csv" for stage in records}
    for stage, path in paths.items():
        write_shard(path, records[stage])
    return paths


def heard_video(heard, name):
    files = {stage: path.parent / f"{name}.h5" for stage, path in heard.items()}
    return StageInput(name, "ok", "", "k", files)


def listener(settings=VGGISH, network=None):
    """The function from a video to its rows, by a seeded random network."""
    loaded = LoadedNetwork(network or untrained_vggish(WIDTH, "pre"), "untrained", "untrained")
    return VggishStage().extractor(settings, Job("c", Path(), network=loaded))


def test_rows_are_those_of_the_snippets(heard):
    network = untrained_vggish(WIDTH, "pre")
    features = listener(network=network)(heard_video(heard, "heard"))
    assert features.shape == (5, 128) and features.dtype == np.float32
    sound = read_arrays(heard["audio"].parent / "heard.h5")["sound"] / np.float32(32768)
    windows = torch.from_numpy(snippet_windows(sound, 5, 0.64))[:, None]
    with torch.no_grad():
        np.testing.assert_allclose(features, network(windows), rtol=1e-4, atol=1e-6)
    tail = listener(replace(VGGISH, tail="repeat"), network)
    assert tail(heard_video(heard, "heard")).shape == (5, 128)


def test_sound_is_centred_on_rows_that_overlap(heard):
    network = untrained_vggish(WIDTH, "pre")
    found = listener(replace(VGGISH, stride=4), network)(heard_video(heard, "heard"))
    assert found.shape == (1 + (80 - 16) // 4, 128)
    # Every fourth row sees the same sound as a row of 16 frames without overlap.
    sparse = listener(network=network)(heard_video(heard, "heard"))
    np.testing.assert_allclose(found[::4], sparse, rtol=1e-4, atol=1e-6)


def test_absent_sound_is_silence(heard):
    features = listener()(heard_video(heard, "mute"))
    assert features.shape == (5, 128)
    assert np.ptp(features, axis=0).max() < 1e-6


def test_script_of_vggish(heard, tmp_path, project):
    output = tmp_path / "vggish/shard0.csv"
    call = [sys.executable, project / "scripts/extract_vggish.py", "--weights", "untrained"]
    call += [
        "--frames",
        heard["frames"],
        "--audio",
        heard["audio"],
        "--output",
        output,
    ]
    call += ["--recipe", json.dumps(to_plain(VGGISH)), "--code", "c", "--device", "cpu"]
    warm_python.run(call, check=True)
    records = {record.id: record for record in read_shard(output)}
    assert {i: (r.status, r.rows) for i, r in records.items()} == {
        "heard": ("ok", 5),
        "mute": ("no_audio", 5),
    }


def test_script_with_principal_components(heard, tmp_path, project):
    parameters = {"pca_eigen_vectors": np.eye(128), "pca_means": np.full((128, 1), 0.5)}
    torch.save(parameters, tmp_path / "pca.pth")
    call = [sys.executable, project / "scripts/extract_vggish.py", "--weights", "untrained"]
    call += [
        "--frames",
        heard["frames"],
        "--audio",
        heard["audio"],
        "--code",
        "c",
    ]
    call += ["--device", "cpu", "--output", tmp_path / "vggish/shard0.csv", "--recipe"]
    recipe = json.dumps(to_plain(replace(VGGISH, postprocess="pca")))
    refused = warm_python.run([*call, recipe])
    assert refused.returncode == 1 and "--pca goes with" in refused.stderr
    warm_python.run([*call, recipe, "--pca", tmp_path / "pca.pth"], check=True)
    file = tmp_path / "vggish/heard.h5"
    expected = listener()(heard_video(heard, "heard")) - 0.5
    np.testing.assert_allclose(read_arrays(file)["features"], expected, atol=1e-5)
    weights = json.loads(read_attrs(file)["provenance_json"])["weights"].split()
    assert weights[0] == "untrained" and len(weights[1]) == 64
