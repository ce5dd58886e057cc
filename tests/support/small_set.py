"""A packed feature file of a few short videos, with classes that are easy to tell apart."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from wstal.datasets.annotations import Annotations
from wstal.features.pack import SCHEMA

STEP = 0.64


def write_small_set(
    folder: Path, *, train: int = 8, test: int = 3, classes: int = 3, dim: int = 6, seed: int = 0,
    val: int = 0, t0: float = 0.0,
) -> tuple[Path, Annotations]:  # fmt: skip
    """Write features.h5 (streams rgb, flow, audio) and return its path and the annotations."""
    rng, sound = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    prototypes = rng.normal(size=(2, classes, dim)) * 3
    names = [f"class{i}" for i in range(classes)]
    database = {}
    path = folder / "features.h5"
    with h5py.File(path, "w") as file:
        file.attrs.update(
            schema=SCHEMA, dataset="small", recipe="small", recipe_digest="0", fps=25.0,
            snippet=16, stride=16, t0=t0, step=STEP, provenance_json="{}",
        )  # fmt: skip
        splits = ["train"] * train + ["test"] * test + ["val"] * val
        for number, split in enumerate(splits):
            video, label = f"v{number:02d}", number % classes
            length = int(rng.integers(14, 24))
            start = int(rng.integers(1, length - 6))
            group = file.create_group(video)
            group.attrs.update(id=video, split=split, duration=length * STEP, status="ok")
            for stream, prototype in zip(("rgb", "flow"), prototypes, strict=True):
                rows = rng.normal(size=(length, dim))
                rows[start : start + 5] += prototype[label]
                group[stream] = rows.astype(np.float32)
            heard = sound.normal(size=(length, dim // 2))
            heard[start : start + 5, label % (dim // 2)] += 3
            group["audio"] = heard.astype(np.float32)
            segment = [start * STEP, (start + 5) * STEP]
            database[video] = {
                "subset": split,
                "duration": length * STEP,
                "labels": [names[label]],
                "annotations": [{"segment": segment, "label": names[label]}],
            }
    return path, Annotations(names, database)
