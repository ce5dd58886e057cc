"""Pretraining: the pool of clips, reproducible training, and the shipped networks.

Those are the recorded ones, small, and recognise motions and sounds that they have not seen.
"""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors import safe_open
from wstal.base.array_store import read_arrays
from wstal.base.user_files import file_sha256
from wstal.demo.motion import MOTIONS, SOUNDS
from wstal.demo.pretrain import (
    FRAMES,
    Batch,
    ClipPool,
    compressed,
    make_clip,
    pool_key,
    pretrain_flow,
    pretrain_rgb,
    pretrain_vggish,
    save_pretrained,
    sound_examples,
    write_pool,
)
from wstal.features.snippets import scaled
from wstal.flow import tvl1
from wstal.flow.codes import encode
from wstal.networks.i3d.network import load_i3d
from wstal.networks.vggish import VGGish, load_vggish
from wstal.networks.weights import half_state, read_sources, verify

POOL = {
    "seed": 4,
    "bound": 10,
    "flow": {"warps": 1, "outer_iterations": 2, "nscales": 2},
    "parts": {
        "easy": {"clips": 1, "size": 32, "difficulty": 0.0},
        "full": {"clips": 2, "size": 48, "difficulty": 0.5},
        "held_out": {"clips": 1, "size": 48, "difficulty": 0.5},
    },
}
CONFIG = {
    "seed": 0,
    "width": 0.0625,
    "steps": 4,
    "batch": 4,
    "lr": 1e-3,
    "warm_up": 1,
    "weight_decay": 0.0,
    "dropout": 0.0,
    "feature_weight": 1.0,
    "stages": [{"part": "easy", "until": 0.5}, {"part": "full", "until": 1.0}],
}


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    path = tmp_path_factory.mktemp("pool") / "clips.h5"
    write_pool(path, POOL)
    return ClipPool(path, POOL["bound"])


@pytest.fixture(scope="module")
def flow_network(pool):
    return pretrain_flow(pool, CONFIG)[0]


class Heads:
    """A generator that mirrors every clip and leaves colours alone."""

    def random(self, count):
        return np.zeros(count)

    def permutation(self, count):
        return np.arange(count)

    def uniform(self, low, high):
        return 1.0 if low > 0 else 0.0


def test_a_mirrored_clip_moves_the_other_way(pool):
    clips = np.array([0, 3])
    plain, mirrored = Batch(pool, "full", clips), Batch(pool, "full", clips, Heads())
    assert torch.equal(mirrored.rgb, plain.rgb.flip(4))
    assert torch.equal(mirrored.flow[:, 0], -plain.flow[:, 0].flip(3))
    assert torch.equal(mirrored.flow[:, 1], plain.flow[:, 1].flip(3))


def test_training_is_reproducible_and_rounded(pool, flow_network):
    steps = []
    again, accuracy = pretrain_flow(
        pool, CONFIG, lambda items: (steps.append(i) or i for i in items)
    )
    assert steps == [0, 1, 2, 3]
    assert 0 <= accuracy <= 1
    for name, value in half_state(again).items():
        assert torch.equal(value.float(), again.state_dict()[name]), "as float16 holds it"
        assert torch.equal(value, half_state(flow_network)[name]), name
    assert not again.training


def test_statistics_are_those_of_the_data(pool, flow_network):
    norm = flow_network.Conv3d_1a_7x7.bn
    assert int(norm.num_batches_tracked) == 40
    assert norm.running_mean.abs().max() > 0


def test_learns_what_it_is_shown(pool):
    config = {**CONFIG, "steps": 40, "lr": 3e-3, "stages": [{"part": "full", "until": 1.0}]}
    network, _ = pretrain_flow(pool, {**config, "batch": len(MOTIONS)})
    batch = Batch(pool, "full", np.arange(len(MOTIONS)))
    with torch.no_grad():
        logits = network(batch.flow).mean(2)
    assert (logits.argmax(1) == batch.labels).float().mean() > 0.5


def test_rgb_starts_from_flow_with_a_stem_that_sees_change(pool, flow_network):
    network, _ = pretrain_rgb(pool, {**CONFIG, "lr": 0.0}, flow_network)
    stem = network.Conv3d_1a_7x7.conv3d.weight
    assert stem.shape[1] == 3 and stem.mean(2).abs().max() < 1e-4
    name = "Mixed_4f.b1b.conv3d.weight"
    assert torch.equal(network.state_dict()[name], flow_network.state_dict()[name])
    trained, _ = pretrain_rgb(pool, CONFIG, flow_network)
    assert not torch.equal(trained.state_dict()[name], flow_network.state_dict()[name])
    assert not any(p.requires_grad for p in flow_network.parameters())


def test_vggish_learns_the_sounds():
    config = {**CONFIG, "width": 0.0625, "steps": 40, "batch": 28, "lr": 2e-3, "held_out": 56}
    network, accuracy = pretrain_vggish(config)
    assert accuracy > 0.4, "chance is 0.07"
    assert network(torch.zeros(1, 1, 96, 64)).shape == (1, 128)


def test_a_loss_that_is_not_finite_stops_the_training(pool):
    with pytest.raises(FloatingPointError, match="step"):
        pretrain_flow(pool, {**CONFIG, "steps": 8, "lr": 1e30})


@pytest.mark.slow
def test_script_trains_flow_and_distils_rgb(tmp_path, project):
    parts = {**POOL["parts"], "held_out": {"clips": 1, "size": 48, "difficulty": 0.0}}
    config = {"pool": {**POOL, "parts": parts}, "flow": CONFIG, "rgb": CONFIG}
    weights = {name: tmp_path / f"demo_i3d_{name}.safetensors" for name in ("flow", "rgb")}
    for name, output in weights.items():
        call = [sys.executable, project / "scripts/pretrain_demo.py", "--network", name]
        call += ["--config", json.dumps(config), "--pool", tmp_path / "clips.h5"]
        call += ["--output", output] + (["--teacher", weights["flow"]] if name == "rgb" else [])
        subprocess.run(call, check=True, capture_output=True)
    record = json.loads((tmp_path / "demo_weights.json").read_text())
    assert set(record) == {path.name for path in weights.values()}


RECORDED_CONFIG = {"pool": {"seed": 1}, "vggish": {"width": 0.125, "seed": 3}}


def test_record(tmp_path):
    output, record = tmp_path / "demo_vggish.safetensors", tmp_path / "demo_weights.json"
    record.write_text(json.dumps({"other.safetensors": {"sha256": "x"}}))
    save_pretrained(output, record, VGGish(0.125), "vggish", RECORDED_CONFIG, 0.98765)
    entries = json.loads(record.read_text())
    assert set(entries) == {"other.safetensors", "demo_vggish.safetensors"}
    entry = entries["demo_vggish.safetensors"]
    assert entry["held_out_accuracy"] == 0.9877
    assert entry["sha256"] == file_sha256(output)
    assert entry["recipe"] == {"network": "vggish", "width": 0.125, "seed": 3}
    assert "torch" in entry["versions"]
    with safe_open(output, "pt") as file:
        assert json.loads(file.metadata()["recipe"]) == entry["recipe"]
    assert load_vggish(output, width=0.125).features[0].out_channels == 8


SMALL_POOL = {
    "seed": 4,
    "bound": 10,
    "flow": {"warps": 1, "outer_iterations": 2},
    "parts": {
        "full": {"clips": 2, "size": 40, "difficulty": 1.0},
        "held_out": {"clips": 1, "size": 40, "difficulty": 1.0},
    },
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("pool") / "clips.h5"
    write_pool(path, SMALL_POOL)
    return path


def test_parts_labels_and_scales(path):
    pool = ClipPool(path, SMALL_POOL["bound"])
    assert pool.labels("full").tolist() == [*range(len(MOTIONS))] * 2
    assert len(pool.labels("held_out")) == len(MOTIONS)
    frames, flow = pool.frames("full", [0, 5]), pool.flow("full", [0, 5])
    assert frames.shape == (2, 3, FRAMES - 1, 40, 40) and flow.shape == (2, 2, 16, 40, 40)
    assert -1 <= frames.min() < -0.1 < 0.1 < frames.max() <= 1
    stored = read_arrays(path)
    gray = stored["full_frames"][5] @ np.array([0.299, 0.587, 0.114])
    expected = tvl1(np.rint(gray).astype(np.uint8), **SMALL_POOL["flow"]).transpose(3, 0, 1, 2)
    assert np.abs(expected).max() > 0.5
    assert np.median(np.abs(flow[1] * SMALL_POOL["bound"] - expected)) < 0.1


def test_clips_of_a_class_and_of_the_parts_differ(path):
    stored = read_arrays(path)
    first, second = stored["full_frames"][0], stored["full_frames"][len(MOTIONS)]
    assert (first != second).mean() > 0.5
    assert (first != stored["held_out_frames"][0]).mean() > 0.5


def test_a_pool_is_rendered_once_and_anew_when_its_recipe_changes(path, tmp_path):
    def untouched(items):
        pytest.fail("rendered again")

    write_pool(path, SMALL_POOL, untouched)
    assert pool_key(SMALL_POOL) != pool_key({**SMALL_POOL, "bound": 20})
    small = {**SMALL_POOL, "parts": {"full": {"clips": 1, "size": 32, "difficulty": 0.0}}}
    write_pool(tmp_path / "a.h5", small)
    write_pool(tmp_path / "b.h5", small)
    one, two = (read_arrays(tmp_path / name) for name in ("a.h5", "b.h5"))
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_compression_is_lossy_but_mild():
    clip = np.random.default_rng(0).integers(80, 170, (2, 32, 32, 3)).astype(np.uint8)
    clip[:] = np.linspace(60, 200, 32, dtype=np.uint8)[None, :, None, None]
    clip[:, 10:20, 10:20] = 30
    out = compressed(clip, 3)
    error = np.abs(out.astype(int) - clip)
    assert out.shape == clip.shape and 0 < error.mean() < 6


def test_examples():
    examples, labels = sound_examples(1, 0, 16)
    assert examples.shape == (16, 1, 96, 64) and torch.isfinite(examples).all()
    assert labels.tolist() == [*range(len(SOUNDS)), *range(16 - len(SOUNDS))]
    part, _ = sound_examples(1, 3, 2)
    assert torch.equal(part, examples[3:5])
    other, _ = sound_examples(2, 3, 2)
    assert not torch.equal(other, part)


UNSEEN = 990_000_000  # seeds beyond those of any pool


@pytest.fixture(scope="module")
def folder(project):
    return project / "workflow/reference/weights"


@pytest.fixture(scope="module")
def record(folder):
    return json.loads((folder / "demo_weights.json").read_text())


def test_files_record_and_sources_agree(folder, record):
    sources = read_sources(folder / "sources.yaml")
    shipped = {weights.file: weights for weights in sources.values() if weights.shipped}
    assert set(shipped) == set(record) == {path.name for path in folder.glob("*.safetensors")}
    assert len(shipped) == 3
    for name, weights in shipped.items():
        verify(folder / name, weights)
        assert weights.sha256 == record[name]["sha256"]
        assert (folder / name).stat().st_size <= 3_000_000
        assert record[name]["held_out_accuracy"] >= 0.65


def test_the_recipe_is_the_recorded_one(folder, record):
    config = json.loads((folder / "pretrain.json").read_text())
    for name in ("flow", "rgb", "vggish"):
        file = "demo_vggish.safetensors" if name == "vggish" else f"demo_i3d_{name}.safetensors"
        recipe = dict(record[file]["recipe"])
        assert recipe.pop("network") == name
        assert recipe.pop("pool", config["pool"]) == config["pool"]
        assert recipe == config[name]
    assert len(MOTIONS) >= 12 and len(SOUNDS) >= 12


def test_motions_of_unseen_clips(folder):
    spec = {"size": 112, "difficulty": 1.0}
    clips, flows = zip(
        *(make_clip(motion, UNSEEN + i, spec, {}) for i, motion in enumerate(MOTIONS)), strict=True
    )
    inputs = {
        "rgb": scaled(torch.from_numpy(np.stack(clips)[:, :16])),
        "flow": scaled(torch.from_numpy(encode(np.stack(flows), 20))),
    }
    for stream, x in inputs.items():
        network = load_i3d(folder / f"demo_i3d_{stream}.safetensors", x.shape[-1], width=0.25)
        with torch.no_grad():
            logits = network(x.permute(0, 4, 1, 2, 3)).mean(2)
        assert (logits.argmax(1) == torch.arange(len(MOTIONS))).sum() >= 9, stream


def test_embeddings_of_unseen_sounds_tell_them_apart(folder):
    network = load_vggish(folder / "demo_vggish.safetensors", width=0.125)
    examples, labels = sound_examples(UNSEEN, 0, 4 * len(SOUNDS))
    with torch.no_grad():
        embeddings = torch.nn.functional.normalize(network(examples), dim=1)
    known, asked = embeddings[: 2 * len(SOUNDS)], embeddings[2 * len(SOUNDS) :]
    nearest = labels[(asked @ known.T).argmax(1)]
    assert (nearest == labels[2 * len(SOUNDS) :]).float().mean() > 0.7
