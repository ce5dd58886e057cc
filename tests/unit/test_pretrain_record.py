"""Weights are saved with the record of their making."""

import json

from safetensors import safe_open
from wstal.nets.vggish import VGGish
from wstal.nets.weight_files import sha256_of
from wstal.nets.weights import load_vggish
from wstal.train.pretrain_record import save_pretrained

CONFIG = {"pool": {"seed": 1}, "vggish": {"width": 0.125, "seed": 3}}


def test_record(tmp_path):
    output, record = tmp_path / "demo_vggish.safetensors", tmp_path / "demo_weights.json"
    record.write_text(json.dumps({"other.safetensors": {"sha256": "x"}}))
    save_pretrained(output, record, VGGish(0.125), "vggish", CONFIG, 0.98765)
    entries = json.loads(record.read_text())
    assert set(entries) == {"other.safetensors", "demo_vggish.safetensors"}
    entry = entries["demo_vggish.safetensors"]
    assert entry["held_out_accuracy"] == 0.9877
    assert entry["sha256"] == sha256_of(output)
    assert entry["recipe"] == {"network": "vggish", "width": 0.125, "seed": 3}
    assert "torch" in entry["versions"]
    with safe_open(output, "pt") as file:
        assert json.loads(file.metadata()["recipe"]) == entry["recipe"]
    assert load_vggish(output, width=0.125).features[0].out_channels == 8
