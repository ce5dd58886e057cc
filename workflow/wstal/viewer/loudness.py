"""How loud a video is over time, from the sound that the audio stage keeps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np

from wstal.store import read_shard

FLOOR = -60.0  # dB of full scale; anything softer is silence


def sound_files(shards: Iterable[Path]) -> dict[str, Path]:
    """The file of each video with sound, from the manifests of the audio stage's shards."""
    return {
        record.id: shard.parent / record.path
        for shard in shards
        for record in read_shard(shard)
        if record.usable and record.path and record.rows
    }


def read_loudness(path: Path, step: float, t0: float, count: int) -> np.ndarray:
    """Level of each snippet in dB of full scale, `[count]`, from FLOOR to 0.

    Snippet i spans `[t0 + i step, t0 + (i + 1) step)` seconds; where the sound has ended it is
    silent.
    """
    with h5py.File(path, "r") as file:
        sound, rate = file["sound"][()], int(file.attrs["rate"])
    sound = sound / 32768 if sound.dtype.kind == "i" else sound.astype(float)
    energy = np.append(0.0, np.cumsum(np.square(sound, dtype=float)))
    edges = np.rint((t0 + step * np.arange(count + 1)) * rate).astype(np.int64)
    edges = np.clip(edges, 0, len(sound))
    mean = np.diff(energy[edges]) / np.maximum(np.diff(edges), 1)
    return np.maximum(10 * np.log10(np.maximum(mean, 1e-12)), FLOOR)
