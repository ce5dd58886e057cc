"""Weights with the record of how they came about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import nn

from wstal.atomic import write_json
from wstal.nets.weight_files import sha256_of
from wstal.nets.weights import save_half

PACKAGES = ("torch", "numpy", "opencv-contrib-python-headless", "safetensors")


def save_pretrained(
    output: str | Path,
    record: str | Path,
    network: nn.Module,
    name: str,
    config: Mapping[str, Any],
    accuracy: float,
) -> None:
    """Write the weights of `name` (flow, rgb, vggish) and their entry in the JSON `record`.

    The entry holds the recipe, held-out accuracy (a fraction), sha256 and library versions;
    entries of other files stay.
    """
    output, record = Path(output), Path(record)
    recipe = {"network": name, **config[name]}
    if name != "vggish":
        recipe["pool"] = config["pool"]
    save_half(output, network, recipe)
    entries = json.loads(record.read_text()) if record.exists() else {}
    entries[output.name] = {
        "recipe": recipe,
        "held_out_accuracy": round(accuracy, 4),
        "sha256": sha256_of(output),
        "versions": {package: version(package) for package in PACKAGES},
    }
    write_json(record, dict(sorted(entries.items())))
