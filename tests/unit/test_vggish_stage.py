"""The VGGish stage over stage files: T is the video's, silence stands for absent sound."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from wstal.features.logmel import snippet_windows
from wstal.features.stage_inputs import StageInput
from wstal.features.vggish_stage import vggish_extractor
from wstal.nets.weights import untrained_vggish
from wstal.store import Record, create_arrays, read_arrays, read_attrs, read_shard, write_shard

RECIPE = {
    "weights": "untrained",
    "width": 0.0625,
    "activation": "pre",
    "postprocess": "none",
    "batch": 2,
}
CPU = torch.device("cpu")


@pytest.fixture
def stages(tmp_path):
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


def video(stages, name):
    files = {stage: path.parent / f"{name}.h5" for stage, path in stages.items()}
    return StageInput(name, "ok", "", "k", files)


def test_rows_are_those_of_the_snippets(stages):
    network = untrained_vggish(RECIPE["width"], "pre")
    features = vggish_extractor(network, RECIPE, CPU)(video(stages, "heard"))
    assert features.shape == (5, 128) and features.dtype == np.float32
    sound = read_arrays(stages["audio"].parent / "heard.h5")["sound"] / np.float32(32768)
    windows = torch.from_numpy(snippet_windows(sound, 5, 0.64))[:, None]
    with torch.no_grad():
        np.testing.assert_allclose(features, network(windows), rtol=1e-4, atol=1e-6)
    tail = vggish_extractor(network, {**RECIPE, "tail": "repeat"}, CPU)
    assert tail(video(stages, "heard")).shape == (5, 128)


def test_absent_sound_is_silence(stages):
    extract = vggish_extractor(untrained_vggish(RECIPE["width"], "pre"), RECIPE, CPU)
    features = extract(video(stages, "mute"))
    assert features.shape == (5, 128)
    assert np.ptp(features, axis=0).max() < 1e-6


def test_script(stages, tmp_path, project):
    output = tmp_path / "vggish/shard0.csv"
    call = [sys.executable, project / "scripts/extract_vggish.py", "--weights", "untrained"]
    call += ["--frames", stages["frames"], "--audio", stages["audio"], "--output", output]
    call += ["--recipe", json.dumps(RECIPE), "--code", "c", "--device", "cpu"]
    subprocess.run(call, check=True, capture_output=True)
    records = {record.id: record for record in read_shard(output)}
    assert {i: (r.status, r.rows) for i, r in records.items()} == {
        "heard": ("ok", 5),
        "mute": ("no_audio", 5),
    }


def test_script_with_principal_components(stages, tmp_path, project):
    parameters = {"pca_eigen_vectors": np.eye(128), "pca_means": np.full((128, 1), 0.5)}
    torch.save(parameters, tmp_path / "pca.pth")
    call = [sys.executable, project / "scripts/extract_vggish.py", "--weights", "untrained"]
    call += ["--frames", stages["frames"], "--audio", stages["audio"], "--code", "c"]
    call += ["--device", "cpu", "--output", tmp_path / "vggish/shard0.csv", "--recipe"]
    recipe = json.dumps({**RECIPE, "postprocess": "pca"})
    refused = subprocess.run([*call, recipe], capture_output=True, text=True)
    assert refused.returncode == 2 and "--pca goes with" in refused.stderr
    subprocess.run([*call, recipe, "--pca", tmp_path / "pca.pth"], check=True, capture_output=True)
    plain = vggish_extractor(untrained_vggish(RECIPE["width"], "pre"), RECIPE, CPU)
    file = tmp_path / "vggish/heard.h5"
    expected = plain(video(stages, "heard")) - 0.5
    np.testing.assert_allclose(read_arrays(file)["features"], expected, atol=1e-5)
    weights = json.loads(read_attrs(file)["provenance_json"])["weights"].split()
    assert weights[0] == "untrained" and len(weights[1]) == 64
