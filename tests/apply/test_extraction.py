"""A video file through the stages of the DAG, as a shard of its own.

Networks have the weights that the DAG would take, and codes are the digests that the rules give.
"""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from video_clips import write_clip
from wstal.apply.extraction import Extraction, check_weights, load_networks, prepare
from wstal.base.array_store import read_attrs
from wstal.base.code_digest import code_digest
from wstal.base.errors import MediaError, WstalError
from wstal.base.settings import from_plain
from wstal.base.stage import LoadedNetwork
from wstal.base.user_files import file_sha256
from wstal.features import backbone_stage
from wstal.features.pack import FeatureFile
from wstal.networks.weights import read_sources

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
    return load_networks(RECIPE, ["rgb", "flow", "audio"], {}, [])


@pytest.fixture
def stages(tmp_path, networks):
    def of(streams=("rgb", "flow", "audio"), folder="cache", recipe=RECIPE, **options):
        cache, cpu = tmp_path / folder, torch.device("cpu")
        return Extraction("small", recipe, list(streams), networks, CODES, cache, cpu, **options)

    return of


def features_of(stages, video, path, output):
    stages.extract(stages.probe(video, path), output)
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


def test_streams_of_other_rows_are_brought_onto_the_grid(stages, tmp_path):
    dense = {**RECIPE, "i3d": I3D | {"stride": 4}, "grid": "rgb"}
    clip = write_clip(tmp_path / "clip.mp4", 40)
    arrays, attrs = features_of(stages(recipe=dense), "clip", clip, tmp_path / "f.h5")
    assert {name: array.shape for name, array in arrays.items()} == {
        **dict.fromkeys(("rgb", "flow"), (7, 64)),
        "audio": (7, 128),  # of two rows
    }
    assert (attrs["t0"], attrs["step"], attrs["grid"]) == (0.24, 0.16, "rgb")
    sparse, _ = features_of(stages(), "clip", clip, tmp_path / "s.h5")
    np.testing.assert_allclose(arrays["rgb"][::4], sparse["rgb"], rtol=1e-4, atol=1e-6)


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
    monkeypatch.setattr("wstal.media.frame_stage.read_timeline", None)  # would decode
    monkeypatch.setattr("wstal.features.snippets.snippet_features", None)
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
        row = stages().probe("v", path)
        with pytest.raises(MediaError, match=reason):
            stages().extract(row, tmp_path / "f.h5")
    assert not (tmp_path / "f.h5").exists()


def test_another_network_takes_its_own_stage(stages, tmp_path, monkeypatch):
    called = []

    def extractor(self, settings, job):
        called.append((self.name, settings, job.network.network))
        return lambda video: np.zeros((2, 7), np.float32)

    monkeypatch.setattr(backbone_stage.BackboneStage, "extractor", extractor)
    entry = {"library": "torchvision", "model": "s3d", "width": 7, "input": "video"}
    section = {"weights": "untrained", "short_side": 32, "crop": 32, "entry": entry}
    recipe = {**RECIPE, "streams": {"rgb": "s3d"}, "s3d": section}
    network = SimpleNamespace(packages=())
    given = {
        "networks": {"s3d": LoadedNetwork(network, "w", "id")},
        "codes": {**CODES, "s3d": "c"},
    }
    s3d = Extraction("s", recipe, ["rgb"], folder=tmp_path, device=torch.device("cpu"), **given)
    clip = write_clip(tmp_path / "clip.mp4", 40)
    arrays, _ = features_of(s3d, "clip", clip, tmp_path / "f.h5")
    assert arrays["rgb"].shape == (2, 7)
    assert called == [("s3d", from_plain(backbone_stage.BackboneSettings, section), network)]


CPU = torch.device("cpu")


def test_the_demos_stages_are_those_of_the_workflow(project, recipes, tmp_path):
    recipe = recipes["demo_i3d"]
    stages = prepare("demo_i3d", recipe, ["rgb"], project, tmp_path, CPU, keep_flow=True)
    assert list(stages.networks) == ["i3d_rgb"] and stages.folder == tmp_path / "demo_i3d"
    assert stages.keep_flow and stages.networks["i3d_rgb"].weights.startswith(str(project))
    digest = code_digest(project / "scripts/extract_i3d.py", project / "workflow/wstal")
    assert stages.codes["i3d_rgb"] == digest
    same = {"accepted": {digest: "older"}}
    again = prepare("demo_i3d", recipe, ["rgb"], project, tmp_path, CPU, **same)
    assert again.codes["i3d_rgb"] == "older"


def test_absent_weights_are_refused_with_the_remedy(project, recipes, tmp_path):
    with pytest.raises(WstalError, match="wstal weights"):
        prepare("i3d_tvl1", recipes["i3d_tvl1"], ["rgb"], project, tmp_path, CPU, places=[tmp_path])


@pytest.fixture(scope="module")
def sources(project):
    return read_sources(project / "workflow/reference/weights/sources.yaml")


def test_only_what_the_streams_need_is_loaded(recipes, sources, project, tmp_path):
    networks = load_networks(recipes["demo_i3d"], ["rgb", "audio"], sources, [tmp_path, project])
    assert networks.keys() == {"i3d_rgb", "vggish"}
    shipped = project / "workflow/reference/weights/demo_i3d_rgb.safetensors"
    assert networks["i3d_rgb"].identity == file_sha256(shipped)
    assert networks["i3d_rgb"].weights == str(shipped)
    assert networks["vggish"].network.training is False


def test_absent_weights_are_refused_with_the_way_to_get_them(recipes, sources, tmp_path):
    for name, stream in (("i3d_tvl1", "flow"), ("i3d_tvl1", "audio"), ("ave_resnet152", "visual")):
        with pytest.raises(WstalError, match=r"weights fetch .*results/weights"):
            load_networks(recipes[name], [stream], sources, [tmp_path])


def test_other_weights_than_those_of_the_features_are_refused():
    networks = {"i3d_rgb": LoadedNetwork(None, "w.pt", "a" * 64)}
    check_weights(networks, {"rgb": {"stage": "i3d_rgb", "weights": "a" * 64}})
    check_weights(networks, {"rgb": {"stage": "i3d_rgb", "weights": "b", "varies": ["weights"]}})
    check_weights(networks, {"audio": {"stage": "vggish", "weights": "c"}})
    with pytest.raises(WstalError, match=r"w.pt \(sha256 aaaaaaaaaaaa\) is not .* \(bbb"):
        check_weights(networks, {"rgb": {"stage": "i3d_rgb", "weights": "b" * 64}})
