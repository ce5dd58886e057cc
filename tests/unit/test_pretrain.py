"""Pretraining on a tiny pool: it learns, mirrors rightly, and comes out the same twice."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from wstal.data.render.clip import MOTIONS
from wstal.nets.weights import half_state
from wstal.train.clip_pool import ClipPool, write_pool
from wstal.train.pretrain import Batch, pretrain_flow, pretrain_rgb, pretrain_vggish

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
