"""A video file through the stages of the DAG, as a shard of its own."""

import json

import numpy as np
import pytest
import torch
from video_clips import write_clip
from wstal.errors import MediaError
from wstal.features.i3d_stage import i3d_network
from wstal.features.pack import FeatureFile
from wstal.features.vggish_stage import vggish_network
from wstal.inference import extraction
from wstal.inference.extraction import Extraction
from wstal.store import read_attrs

I3D = {
    "weights": {"rgb": "untrained", "flow": "untrained"},
    **{"width": 0.0625, "short_side": 32, "crop": 32, "tail": "drop", "batch": 2},
    "interpolation": "bilinear",
}
RECIPE = {
    "streams": {"rgb": "i3d_rgb", "flow": "i3d_flow", "audio": "vggish"},
    "dtype": "float32",
    "frames": {"fps": 25, "decoder": "pyav", "cache_frames": False},
    "audio": {"rate": 16000},
    "flow": {
        **{"algorithm": "tvl1", "short_side": 32, "interpolation": "bilinear", "bound": 20},
        "params": {"nscales": 1, "warps": 1},
    },
    "i3d": I3D,
    "vggish": {"weights": "untrained", "width": 0.125, "activation": "post", "batch": 4}
    | {"postprocess": "none", "tail": "drop"},
}
CODES = dict.fromkeys(["probe", "frames", "audio", "flow", "i3d_rgb", "i3d_flow", "vggish"], "c")


@pytest.fixture(scope="module")
def networks():
    loaded = {f"i3d_{s}": i3d_network("untrained", s, 0.0625, {}) for s in ("rgb", "flow")}
    return loaded | {"vggish": vggish_network("untrained", RECIPE["vggish"], {})}


@pytest.fixture
def stages(tmp_path, networks):
    def of(streams=("rgb", "flow", "audio"), folder="cache", **options):
        cache, cpu = tmp_path / folder, torch.device("cpu")
        return Extraction("small", RECIPE, list(streams), networks, CODES, cache, cpu, **options)

    return of


def features_of(stages, video, path, output):
    stages.extract(stages.probed(video, path), output)
    with FeatureFile(output) as features:
        return {name: features.read(video, [name]) for name in features.streams}, features.attrs


def test_a_silent_video_has_all_streams_and_says_so(stages, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", 40)
    arrays, attrs = features_of(stages(), "clip", clip, tmp_path / "f.h5")
    assert {name: array.shape for name, array in arrays.items()} == {
        "rgb": (2, 64),
        "flow": (2, 64),
        "audio": (2, 128),
    }
    with FeatureFile(tmp_path / "f.h5") as features:
        assert features.video_attrs("clip")["status"] == "no_audio"
        assert features.ids("test") == ["clip"]
    assert (attrs["recipe"], attrs["step"]) == ("small", 0.64)
    assert json.loads(attrs["provenance_json"])["flow"]["flow"]["stage"] == "flow"


def test_kept_flow_gives_the_same_features_under_the_same_keys(stages, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", 40)
    streamed, _ = features_of(stages(["flow"]), "clip", clip, tmp_path / "f.h5")
    keeping = stages(["flow"], "kept", keep_flow=True, threads=1)
    kept, _ = features_of(keeping, "clip", clip, tmp_path / "k.h5")
    np.testing.assert_array_equal(streamed["flow"], kept["flow"])
    one, two = (read_attrs(tmp_path / f"{f}/i3d_flow/clip.h5") for f in ("cache", "kept"))
    assert (one["key"], one["sha256"]) == (two["key"], two["sha256"])
    assert (tmp_path / "kept/flow/clip.h5").exists()
    assert not (tmp_path / "cache/flow").exists() and not (tmp_path / "cache/audio").exists()


def test_what_was_made_is_used_again(stages, tmp_path, monkeypatch):
    clip = write_clip(tmp_path / "clip.mp4", 40)
    first, _ = features_of(stages(["rgb"]), "clip", clip, tmp_path / "f.h5")
    told = []
    again = stages(["rgb"], tracks=lambda stage: lambda items: told.append(stage) or items)
    monkeypatch.setattr("wstal.video.stage.timeline", None)  # would decode
    monkeypatch.setattr("wstal.features.snippet_extractor.i3d_features", None)
    second, _ = features_of(again, "clip", clip, tmp_path / "f.h5")
    np.testing.assert_array_equal(first["rgb"], second["rgb"])
    assert told == ["frames", "i3d_rgb"]


def test_bad_and_absent_files_are_named_with_the_reason(stages, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"nothing")
    for path, reason in (
        (bad, "broken: .*bad.mp4"),
        (tmp_path / "no.mp4", "missing: no file"),
        (tmp_path, "missing: .* is a folder, name the files in it"),
    ):
        row = stages().probed("v", path)
        with pytest.raises(MediaError, match=reason):
            stages().extract(row, tmp_path / "f.h5")
    assert not (tmp_path / "f.h5").exists()


def test_another_network_takes_its_own_stage(stages, tmp_path, monkeypatch):
    called = []
    monkeypatch.setattr(extraction, "backbone_shard", lambda *a, **k: called.append(a) or [])
    recipe = {**RECIPE, "streams": {"rgb": "s3d"}, "s3d": {"weights": "untrained"}}
    given = {"networks": {"s3d": "network"}, "codes": {**CODES, "s3d": "c"}}
    s3d = Extraction("s", recipe, ["rgb"], folder=tmp_path, device=torch.device("cpu"), **given)
    assert s3d._features("s3d", {"frames": "f.csv"}) == []
    assert called == [("s3d", "f.csv", "network", {"weights": "untrained"})]
