"""Flow streamed into Inception-I3D gives what flow kept in files gives."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from textured_motion import sequence
from wstal.store import Record, create_arrays, read_arrays, read_attrs, read_shard, write_shard

FLOW = {
    "algorithm": "tvl1",
    "short_side": 32,
    "interpolation": "bilinear",
    "bound": 20,
    "params": {"nscales": 1, "warps": 1},
}
I3D = {"width": 0.0625, "crop": 32, "tail": "repeat", "batch": 2}
FRAMES = {"long": 40, "single": 1, "lost": 0}


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """The frames stage of a video of 40 frames, one of a single frame and one that is missing."""
    folder = tmp_path_factory.mktemp("frames")
    records = [Record("lost", "missing", 0, "", "", "k", "no file")]
    for name in ("long", "single"):
        gray = sequence(FRAMES[name], 36, 44)
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
        done = subprocess.run(
            [*call, *arguments, "--output", output, "--device", "cpu"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return output, {record.id: record for record in read_shard(output)}

    return run


def streamed(extract, flow=FLOW, flow_code="f", code="i"):
    return extract(
        "stream_i3d_flow", "--weights", "untrained", "--recipe", json.dumps(I3D), "--code", code,
        "--flow-recipe", json.dumps(flow), "--flow-code", flow_code,
    )  # fmt: skip


@pytest.fixture(scope="module")
def kept(extract):
    """The same through flow files."""
    flow, _ = extract("extract_flow", "--recipe", json.dumps(FLOW), "--code", "f")
    return extract(
        "extract_i3d", "--stream", "flow", "--flow", flow, "--weights", "untrained",
        "--recipe", json.dumps(I3D), "--code", "i",
    )  # fmt: skip


def test_features_and_keys_are_those_of_the_kept_flow(extract, kept):
    (folder, expected), (own, records) = kept, streamed(extract)
    assert records.keys() == expected.keys() == FRAMES.keys()
    for name, record in records.items():
        assert record == expected[name], name  # status, rows, digest of the values, key, reason
    features = read_arrays(own.parent / "long.h5")["features"]
    np.testing.assert_array_equal(features, read_arrays(folder.parent / "long.h5")["features"])
    assert features.shape == (3, 64) and features.std(0).max() > 0
    provenance = json.loads(read_attrs(own.parent / "long.h5")["provenance_json"])
    assert provenance["flow"]["backend"] == "cpu"
    assert provenance["flow"]["recipe"] == FLOW
    assert {"device", "versions", "weights_sha256"} <= set(provenance["flow"])  # as in flow files


def test_the_flow_recipe_and_its_code_are_part_of_the_key(extract, kept):
    key = kept[1]["long"].key
    for change in ({"flow": FLOW | {"bound": 10}}, {"flow_code": "edited"}, {"code": "edited"}):
        assert streamed(extract, **change)[1]["long"].key != key, change
