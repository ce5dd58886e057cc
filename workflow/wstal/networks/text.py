"""Class names as vectors, for backbones that share the space of their vectors with text.

The sentences are those of the entry's section `text`. A class's vector is the mean of its
sentences' vectors, each of length 1, brought to length 1 (Radford et al., "Learning Transferable
Visual Models From Natural Language Supervision", ICML 2021, section 3.1.4).
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch.nn import functional

from wstal.base.errors import WstalError
from wstal.base.files import atomic_path
from wstal.base.hdf5_files import checked_dataset, open_hdf5
from wstal.networks.backbone import BackboneEntry, TextSide
from wstal.networks.backbones import LIBRARIES


@dataclass(frozen=True)
class ClassVectors:
    """Vectors of length 1 in the space of a backbone's vectors."""

    classes: list[str]
    vectors: np.ndarray  # float32 [C, D]
    background: np.ndarray  # float32 [D]
    scale: float  # of cosines in a softmax over classes, learned with the weights
    about: dict[str, Any] = field(default_factory=dict)  # stream, weights (identity), prompts, ...


def load_text_side(name: str, entry: BackboneEntry, weights: str | Path) -> TextSide:
    """Load the text side of the backbone `name` from its weights, a file or a folder.

    Raises WstalError if its library or its entry has none, and as the adapter's `text_side`.
    """
    adapter = importlib.import_module(LIBRARIES[entry.library])
    if entry.text is None or not hasattr(adapter, "text_side"):
        raise WstalError(
            f"backbone {name}: no `text:` in its entry, or no text side in {entry.library}; "
            "clip_base, openclip_base, siglip2_base and clap_unfused have both"
        )
    if not Path(weights).exists():
        raise WstalError(
            f"backbone {name}: there are no weights at {weights}; names of classes have no vectors "
            f"without them: wstal weights fetch {name}"
        )
    return adapter.text_side(entry, Path(weights))


@torch.inference_mode()
def class_vectors(side: TextSide, entry: BackboneEntry, classes: Sequence[str]) -> ClassVectors:
    """Return the vectors of classes and of the background, of the sentences in an entry.

    Raises WstalError for vectors of another width than the entry's.
    """

    def mean(sentences: Sequence[str]) -> np.ndarray:
        found = side.encode(list(sentences)).float()
        if found.shape[1] != entry.width:
            raise WstalError(
                f"{entry.model}: text has vectors of {found.shape[1]}, `width:` of its entry is "
                f"{entry.width}; correct `width:` and `output:`"
            )
        unit = functional.normalize(found, dim=1)
        return functional.normalize(unit.mean(0), dim=0).numpy()

    prompts = entry.text.prompts
    vectors = [mean([each.replace("{}", as_words(name)) for each in prompts]) for name in classes]
    about = {"prompts": list(prompts), "background": list(entry.text.background)}
    background = mean(entry.text.background)
    return ClassVectors(list(classes), np.stack(vectors), background, side.scale, about)


def as_words(name: str) -> str:
    """Return the name of a class as a sentence has it: `CleanAndJerk` -> `clean and jerk`."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return " ".join(re.split(r"[\s_-]+", apart)).strip().lower()


def write_class_vectors(path: Path, found: ClassVectors) -> None:
    """Write class_vectors.h5 atomically."""
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file["vectors"], file["background"] = found.vectors, found.background
        file.attrs["classes_json"] = json.dumps(found.classes)
        file.attrs["scale"] = found.scale
        file.attrs["about_json"] = json.dumps(found.about, sort_keys=True)


def read_class_vectors(path: Path) -> ClassVectors:
    """Read class_vectors.h5; raises WstalError if the file is something else."""
    with open_hdf5(path, "file of class vectors") as file:
        try:
            return ClassVectors(
                json.loads(file.attrs["classes_json"]),
                checked_dataset(file, "vectors")[()],
                checked_dataset(file, "background")[()],
                float(file.attrs["scale"]),
                json.loads(file.attrs["about_json"]),
            )
        except KeyError as error:
            raise WstalError(f"{path} is not a file of class vectors: {error}") from error
