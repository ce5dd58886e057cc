"""The stages of the backbones other than Inception-I3D, named like their network and section."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from annotated_types import Ge
from torch.nn import functional

from wstal.base.errors import WstalError
from wstal.base.settings import SettingsError, to_plain
from wstal.base.stage import Job, LoadedNetwork, StageInput
from wstal.base.user_files import file_sha256
from wstal.features.frame_vectors import frame_means
from wstal.features.network_stage import PACKAGES, NetworkStage
from wstal.features.precision import precision_stamp
from wstal.features.rows import RowSettings, row_settings
from wstal.features.snippets import (
    Opener,
    read_flow,
    rgb_opener,
    snippet_extractor,
    snippet_features,
)
from wstal.networks.backbone import Backbone, BackboneEntry, Interpolation, Precision, load_backbone
from wstal.networks.backbones import entry_numbers
from wstal.networks.weights import EXACT, UNTRAINED, WeightFile, identify

# Snippets at a time if the recipe does not say. On CPUs more gain nothing.
BATCH = {"cpu": 1, "cuda": 8}


@dataclass(frozen=True)
class BackboneSettings(RowSettings):
    """The section of a backbone in a feature recipe, named like its stage.

    What it does not state is that of its entry in workflow/config/backbones.
    """

    NO_NUMBERS: ClassVar[tuple[str, ...]] = ("batch", "compile")
    ADDED: ClassVar[Mapping[str, Any]] = {**RowSettings.ADDED, "precision": EXACT}

    weights: str  # a name in sources.yaml, a file, a folder, or untrained
    entry: BackboneEntry  # of the backbone
    crop: Annotated[int, Ge(16)]  # px; the size that the weights were trained with
    short_side: Annotated[int, Ge(16)] | None  # px, before the crop; null: squashed to crop
    interpolation: Interpolation = "bilinear"
    batch: Annotated[int, Ge(1)] | None = None  # snippets at a time; null: that of BATCH
    # bf16 is `unverified` until `wstal check-precision` has passed it with the weights.
    precision: Precision = EXACT
    compile: bool = False  # by torch.compile; the first snippets then take a minute or more

    def __post_init__(self) -> None:
        if self.short_side is not None and self.crop > self.short_side:
            raise SettingsError(
                f"crop is {self.crop}, larger than short_side, {self.short_side}; choose a crop of "
                "at most short_side"
            )

    def seen(self) -> BackboneEntry:
        """Return the entry with the size that the recipe states."""
        size = {"short_side": self.short_side, "interpolation": self.interpolation}
        return replace(self.entry, crop=self.crop, **size)

    def batch_on(self, device: torch.device) -> int:
        """Return how many snippets pass the network at a time."""
        return self.batch or BATCH[device.type]


class BackboneStage(NetworkStage):
    """The vectors of a backbone's snippets, of RGB or of flow."""

    settings = BackboneSettings
    fills_windows = True

    def __init__(self, name: str, inputs: tuple[str, ...]) -> None:
        self.name, self.inputs = name, inputs

    def weights(self, settings: BackboneSettings) -> dict[str, str]:
        """Return the name of the network's weights."""
        return {"weights": settings.weights}

    def key_part(self, settings: BackboneSettings, job: Job) -> dict[str, Any]:
        """Return the settings, with what of the entry makes numbers."""
        part = super().key_part(settings, job)
        return part | entry_numbers(self.name, part.pop("entry"))

    def load(
        self,
        settings: BackboneSettings,
        files: Mapping[str, str],
        sources: Mapping[str, WeightFile],
    ) -> LoadedNetwork:
        """Load the backbone; raises as `identify` and `load_backbone`."""
        weights, entry = files["weights"], settings.entry
        known = [each.file for each in sources.values()]
        if not (weights == UNTRAINED or Path(weights).exists() or Path(weights).name in known):
            raise WstalError(_absence(self.name, entry, weights))
        identity = UNTRAINED if weights == UNTRAINED else identify(weights, sources)
        network = load_backbone(self.name, settings.seen(), weights, settings.window)
        if entry.library == "file":
            identity += f" {file_sha256(entry.model)}"
        return LoadedNetwork(network, weights, identity)

    def packages(self, job: Job) -> tuple[str, ...]:
        """Return the packages whose versions are recorded, those of the network included."""
        return PACKAGES + job.network.network.packages

    def provenance(self, settings: BackboneSettings, job: Job) -> dict[str, Any]:
        """Return what all networks record, and the precision."""
        about = (settings.precision, job.network.weights, job.network.identity)
        stamp = precision_stamp(*about, torch.device(job.device))
        return super().provenance(settings, job) | stamp

    def network(self, settings: BackboneSettings, job: Job) -> Backbone:
        """Return the network on the job's device, which computes as the settings say."""
        network = job.network.network.to(torch.device(job.device))
        return network.computes(settings.precision, settings.compile)

    def extractor(self, settings: BackboneSettings, job: Job) -> Callable[[StageInput], np.ndarray]:
        """Return the function from a video to its rows `[T, D]`."""
        torch.backends.cudnn.allow_tf32 = False  # float32 means float32
        device = torch.device(job.device)
        network = self.network(settings, job).channels_last()
        crop = settings.crop if settings.interpolation == "bilinear" else None
        options: dict[str, Any] = {"crop": crop, "device": device}
        options["batch"] = settings.batch_on(device)
        opener, rows = _opener(settings), row_settings(to_plain(settings))
        shares_frames = network.is_framewise and rows.stride < rows.window * rows.every
        options["make"] = frame_means if shares_frames else snippet_features
        options["skips"] = settings.entry.input != "flow"
        return snippet_extractor(network, opener, self.rows_at(settings), job.within, **options)


def _absence(name: str, entry: BackboneEntry, weights: str) -> str:
    """Return the message for missing weights that are not a known file: how to get them."""
    return (
        f"the weights of {name} are missing: there is no {weights}. Run wstal weights fetch "
        f"{name}, or copy config.json and *.safetensors of {entry.hub or entry.model} there, or "
        "name another place by `weights:`; untrained instead of one tries the pipeline without them"
    )


def _opener(settings: BackboneSettings) -> Opener:
    """Return the function from a video to chunks of what the network sees of it."""
    if settings.entry.input == "flow":
        return lambda video: read_flow(video.files["flow"])
    if settings.interpolation == "bilinear":
        return rgb_opener(settings.short_side, settings.interpolation, settings.fps)
    whole, entry = rgb_opener(None, "bilinear", settings.fps), settings.seen()
    return lambda *asked: fitted_chunks(whole(*asked), entry)


def fitted_chunks(pictures: Iterable[np.ndarray], entry: BackboneEntry) -> Iterator[np.ndarray]:
    """Yield the chunks of `pictures` at the size that an entry's network sees."""
    for chunk in pictures:
        yield fitted(chunk, entry)


def fitted(pictures: np.ndarray, entry: BackboneEntry) -> np.ndarray:
    """Resize and crop pictures as the library of the weights does: uint8 RGB, bytes to bytes.

    `[n, H, W, 3]` -> `[n, crop, crop, 3]`. Pictures have whole levels after the resize, as those of
    Pillow and torchvision.
    """
    height, width = pictures.shape[1:3]
    size = (entry.crop, entry.crop)
    if entry.short_side is not None:
        short, long = min(height, width), max(height, width)
        longer = int(entry.short_side * long / short)
        size = (entry.short_side, longer) if height <= width else (longer, entry.short_side)
    x = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
    if size != (height, width):
        x = _resized(x, size, entry.interpolation)
    top, left = (_margin(side - entry.crop, entry) for side in size)
    x = x[:, :, top : top + entry.crop, left : left + entry.crop]
    return np.ascontiguousarray(x.permute(0, 2, 3, 1).numpy())


def _resized(x: torch.Tensor, size: tuple[int, int], interpolation: str) -> torch.Tensor:
    if interpolation == "linear":
        resized = functional.interpolate(x.float(), size, mode="bilinear", align_corners=False)
        return resized.round().to(torch.uint8)
    mode = interpolation.removeprefix("antialiased_")
    return functional.interpolate(x, size, mode=mode, align_corners=False, antialias=True)


def _margin(rest: int, entry: BackboneEntry) -> int:
    """Return where the crop begins: transformers rounds half a pixel down, torchvision to even."""
    return rest // 2 if entry.library == "transformers" else round(rest / 2)


BACKBONE = BackboneStage  # of the stages whose entries have this input
