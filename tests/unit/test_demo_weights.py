"""The shipped networks are the recorded ones, small, and know motions and sounds unseen."""

import json

import numpy as np
import pytest
import torch
from wstal.data.render.clip import MOTIONS, SOUNDS
from wstal.features.snippets import scaled
from wstal.flow.quantize import encode
from wstal.nets.weight_files import read_sources, verify
from wstal.nets.weights import load_i3d, load_vggish
from wstal.train.clip_pool import make_clip
from wstal.train.sound_examples import sound_examples

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
