"""A backbone with your weights: its vector beside the library's own, and samples for a precision.

The plain call is that of the model cards: the processor that the weights' folder configures, then
the network. It shares no code with the extraction but the loading of pickled weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from wstal.base.errors import WstalError
from wstal.features.backbone_stage import fitted, fitted_chunks
from wstal.features.rows import RowGrid
from wstal.features.snippets import as_taken, snippets
from wstal.media.frames import read_frames, read_timeline
from wstal.networks.backbone import BackboneEntry, load_backbone
from wstal.networks.backbones.transformers import CONFIG, PICKLED, import_transformers
from wstal.networks.weights import read_state

LEAST_COSINE = 0.99999
LARGEST_DIFFERENCE = 1e-3  # relative, of the norms; float32 and pictures of whole levels
FPS = 25  # of the recipes
FRAMES = 16  # where a network takes any number
SIZE = (240, 320)  # px, of the pictures


class Agreement(NamedTuple):
    """How near a backbone's vector is to the library's."""

    cosine: float
    difference: float  # relative, of the norms

    @property
    def passes(self) -> bool:
        """Whether they are the same up to rounding."""
        return self.cosine > LEAST_COSINE and self.difference < LARGEST_DIFFERENCE


def check_backbone(name: str, entry: BackboneEntry, folder: Path) -> Agreement:
    """Compare the vector of one clip; raises WstalError where there is no plain call to compare."""
    if entry.library != "transformers" or entry.input not in ("video", "images"):
        raise WstalError(
            f"{name}: only networks of transformers that see pictures are checked with their "
            "weights; for some others there is wstal weights verify"
        )
    pictures = moving_waves(entry.frames or FRAMES)
    network = load_backbone(name, entry, folder, len(pictures))
    with torch.inference_mode():
        x = torch.from_numpy(fitted(pictures, entry))[None]
        ours = network.features(as_taken(network, x))[0].double()
        theirs = plain_vector(entry, folder, pictures).double()
    difference = (ours - theirs).norm() / theirs.norm()
    return Agreement(float(functional.cosine_similarity(ours, theirs, 0)), float(difference))


def clip_snippets(path: str | Path, entry: BackboneEntry, most: int) -> Iterator[np.ndarray]:
    """Yield the first windows of a video, at most `most`, side by side, as the stage cuts them.

    uint8 RGB `[T, crop, crop, 3]`, T the frames that the network takes. Raises MediaError if the
    video does not decode, WstalError for a network that sees no pictures.
    """
    if entry.input not in ("video", "images"):
        raise WstalError(f"{entry.model} sees no pictures but {entry.input}; it is not sampled")
    rows = RowGrid(FPS, window=entry.frames or FRAMES, stride=entry.frames or FRAMES)
    frames = read_timeline(path, FPS).frame_index[: most * rows.window]
    is_resized = entry.interpolation == "bilinear"
    short_side, crop = (entry.short_side, entry.crop) if is_resized else (None, None)
    pictures = read_frames(path, frames, pixels="rgb", short_side=short_side)
    pictures = pictures if is_resized else fitted_chunks(pictures, entry)
    return snippets(pictures, min(most, rows.count(len(frames))), crop, rows)


def moving_waves(count: int) -> np.ndarray:
    """Return pictures in which waves move, uint8 `[count, *SIZE, 3]`."""
    rows, columns = np.arange(SIZE[0])[:, None, None], np.arange(SIZE[1])[:, None]
    lengths = np.array([9.0, 23.0, 41.0])  # px, by channel
    frames = [np.sin(rows / lengths + k / 2) + np.cos(columns / lengths - k) for k in range(count)]
    return (127.5 + 63 * np.stack(frames)).astype(np.uint8)


def plain_vector(entry: BackboneEntry, folder: Path, pictures: np.ndarray) -> Tensor:
    """Return what the library itself gives of pictures `[T, H, W, 3]`: `[width]`."""
    network, inputs = _network(entry, folder), _inputs(folder, pictures)
    seen: list[Tensor] = []
    if entry.output == "classifier_input":
        network.classifier.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    out = network(**inputs, output_hidden_states=entry.layer is not None)
    if entry.output == "classifier_input":
        vectors = seen[0]
    elif entry.output == "embedding":
        vectors = out.image_embeds
    elif entry.output == "pooler":
        vectors = out.pooler_output
    else:
        states = out.last_hidden_state if entry.layer is None else out.hidden_states[entry.layer]
        vectors = states.mean(1) if entry.output == "mean_tokens" else states[:, 0]
    return vectors.mean(0)  # over the frames of images; of a video there is one


def _network(entry: BackboneEntry, folder: Path) -> Any:
    kind = getattr(import_transformers(), entry.network)
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    if any(folder.glob("*.safetensors")) or not (folder / PICKLED).is_file():
        return kind.from_pretrained(folder, **options).eval()
    config = kind.config_class.from_pretrained(folder, local_files_only=True)
    state = read_state(folder / PICKLED)
    return kind.from_pretrained(None, config=config, state_dict=state, **options).eval()


def _inputs(folder: Path, pictures: np.ndarray) -> Any:
    """Return what the processor in a folder makes of pictures."""
    library = import_transformers()
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    is_video = (folder / "video_preprocessor_config.json").is_file()
    if not is_video and not (folder / "preprocessor_config.json").is_file():
        raise WstalError(
            f"{folder} has no preprocessor_config.json, by which the library prepares pictures: "
            f"copy it there from where {CONFIG} is from"
        )
    kind = library.AutoVideoProcessor if is_video else library.AutoImageProcessor
    processor = kind.from_pretrained(folder, **options)
    given = torch.from_numpy(pictures).permute(0, 3, 1, 2) if is_video else list(pictures)
    return processor(given, return_tensors="pt")
