"""A file that was damaged on the disk is refused by name, or gives what was written."""

from __future__ import annotations

import json

import h5py
import hdf5plugin
import numpy as np
import pytest
from wstal.base.array_store import (
    Record,
    add_array,
    create_arrays,
    has_key,
    open_arrays,
    read_arrays,
    read_attrs,
    require_seal,
)
from wstal.base.errors import WstalError
from wstal.features.pack import FeatureFile, Stream, grid_attrs, pack
from wstal.features.rows import RowGrid, common_grid
from wstal.features.snippets import read_flow
from wstal.localize.scores import (
    ScoreHistory,
    Scores,
    VideoScores,
    read_scores,
    write_iterations,
    write_scores,
)


def write_stage(path):
    """A file of a stage with a compressed stream and a whole array."""
    rng = np.random.default_rng(0)
    with create_arrays(path, id="v", stage="flow", key="k", provenance={"p": 1}) as file:
        stream = file.stream("flow", (3, 2), np.int8, chunk_rows=16, **hdf5plugin.Zstd(1))
        stream.append(rng.integers(-20, 20, (40, 3, 2)))
        file.write("features", rng.normal(size=(20, 4)).astype(np.float32))
        file.attrs["fps"] = 25.0


def read_stage(path):
    arrays, attrs = read_arrays(path), read_attrs(path)
    return {name: array.tolist() for name, array in arrays.items()}, attrs


def write_features(path):
    with create_arrays(path.with_name("v.h5"), id="v", stage="i3d", key="k", provenance={}) as f:
        f.write("features", np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32))
    digest = read_attrs(path.with_name("v.h5"))["sha256"]
    records = {"v": Record("v", "ok", 20, digest, "v.h5", "k")}
    row = {"id": "v", "split": "train", "duration": "12.8", "status": "ok", "reason": ""}
    about = grid_attrs(
        "demo", "r", common_grid({"rgb": RowGrid(25)}, None), "d" * 64, untrained=True, accepted={}
    )
    pack(path, [row], [Stream("rgb", path.parent, records)], attrs=about)


def read_features(path):
    with FeatureFile(path) as file:
        # Without the name of the seal a file counts as one of an earlier version.
        names = [name for name in file.attrs if not str(name).startswith(("outline", "b'"))]
        about = {name: str(file.attrs[name]) for name in sorted(names)}
        return [
            (video, file.video_attrs(video), file.read(video, ["rgb"]).tolist())
            for video in file.ids()
        ], about


def some_scores(iteration):
    rng = np.random.default_rng(iteration)
    values = VideoScores(
        rng.normal(size=(9, 3)).astype(np.float32),
        rng.random(9).astype(np.float32),
        rng.random(2).astype(np.float32),
    )
    return Scores(["x", "y"], {"v": values, "w": values}, iteration=iteration)


def plain(scores):
    arrays = {v: {n: a.tolist() for n, a in s.arrays().items()} for v, s in scores.videos.items()}
    return arrays, scores.classes, scores.activation, scores.iteration, scores.step, scores.t0


FILES = {  # how each kind of file is written and read
    "stage": (write_stage, read_stage),
    "features": (write_features, read_features),
    "scores": (
        lambda path: write_scores(path, some_scores(7)),
        lambda path: plain(read_scores(path)),
    ),
    "history": (
        lambda path: write_iterations(path, map(some_scores, (5, 10))),
        lambda path: [plain(scores) for scores in ScoreHistory(path)],
    ),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("size", [1, 64])
def test_overwritten_bytes_are_noticed_wherever_they_are(tmp_path, kind, size):
    write, read = FILES[kind]
    path = tmp_path / "file.h5"
    write(path)
    content, whole = path.read_bytes(), read(path)
    rng, refused = np.random.default_rng(size), 0
    for place in rng.integers(8, len(content) - size, 80):
        damage = bytes(rng.integers(1, 256, size, dtype=np.uint8))
        piece = bytes(a ^ b for a, b in zip(content[place : place + size], damage, strict=True))
        path.write_bytes(content[:place] + piece + content[place + size :])
        try:
            assert read(path) == whole, f"byte {place} of {len(content)}"
        except WstalError as error:
            refused += 1
            assert "file.h5" in str(error)
    assert refused > 3  # the rest of a small file is padding


def test_a_damaged_chunk_is_named_while_it_is_streamed(tmp_path):
    path = tmp_path / "flow.h5"
    write_stage(path)
    with h5py.File(path) as file:
        chunk = file["flow"].id.get_chunk_info(1)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + 9] ^= 255
    path.write_bytes(content)
    with pytest.raises(WstalError, match=r"flow\.h5 is damaged .*Remove it and .*shard\*\.csv"):
        list(read_flow(path))
    assert has_key(path, "k")  # its attributes are whole: who reads the values notices


def test_a_file_with_damaged_attributes_is_made_again(tmp_path):
    path = tmp_path / "flow.h5"
    write_stage(path)
    with h5py.File(path, "r+") as file:
        file.attrs["fps"] = 24.0
    assert not has_key(path, "k")
    with pytest.raises(WstalError, match="attributes"), open_arrays(path):
        pass


@pytest.mark.parametrize("shape", [(0, 3), (1, 4), (700, 1024), ()])
def test_checksums_change_no_value_and_add_little(tmp_path, shape):
    array = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        add_array(file, "x", array)
        require_seal(file)  # never sealed: as files of earlier versions
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["x"][()], array)
    assert (tmp_path / "a.h5").stat().st_size < 1.01 * array.nbytes + 6000


def test_equal_scores_are_equal_bytes(tmp_path):
    for name in "ab":
        write_scores(tmp_path / name, some_scores(3))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with h5py.File(tmp_path / "a") as file:
        assert json.loads(file.attrs["classes_json"]) == ["x", "y"]
