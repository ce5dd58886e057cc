"""Adapters: a module for each library that backbones are loaded by.

Each has `build(entry, weights)`, which returns a `Built`; `weights` is a path, or None for random
ones. The adapters of libraries with networks of text have `text_side(entry, weights)`, too, which
returns a `TextSide`. Each imports its library there, so that a machine without it can use the
others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from wstal.base.files import canonical_json

# By name: importing this imports no network, and a stage's code digest covers only its own file.
_HERE = "wstal.networks.backbones"
LIBRARIES = {
    "torchvision": f"{_HERE}.torchvision",
    "pytorchvideo": f"{_HERE}.pytorchvideo",
    "transformers": f"{_HERE}.transformers",
    "timm": f"{_HERE}.timm",
    "open_clip": f"{_HERE}.open_clip",
    "file": f"{_HERE}.own_file",
}
FROM_ENTRY = ("short_side", "crop", "interpolation")  # what a recipe may state otherwise
ABOUT = (
    "title",
    "weights",
    "hub",
    "licence",
    "megabytes",
    "revision",
    "sha256",
    "text",
)  # change no number
NOT_OF_KEY = (*FROM_ENTRY, *ABOUT)
# Backbones from before there were entries, with the digest of what their entries state: keys and
# digests of their results are without it, as they always were.
_STATED = ("library", "model", "input", "output", "layer", "mean", "std")
_WITHOUT_ENTRY = {
    "resnet152": "a586c8d3d59fda8c",
    "s3d": "484da701be642c42",
    "r2plus1d": "0ae17df6d3eb692b",
    "i3d_r50": "4dc4eac260b64f0f",
    "slowfast_r50": "07104a9429c6472f",
    "x3d_m": "82851e7a597f41e3",
}


def entry_numbers(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of the entry of the backbone `name` is part of the keys of its features."""
    stated = canonical_json({key: entry.get(key) for key in _STATED})
    if _WITHOUT_ENTRY.get(name) == hashlib.sha256(stated.encode()).hexdigest()[:16]:
        return {}
    return {"entry": {key: value for key, value in entry.items() if key not in NOT_OF_KEY}}
