"""The stages of the backbones other than Inception-I3D, named like their network and section."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge

from wstal.base.stage import Job, LoadedNetwork, StageInput
from wstal.features.network_stage import PACKAGES, NetworkStage
from wstal.features.rows import RowSettings
from wstal.features.snippets import rgb_opener, snippet_extractor
from wstal.networks.backbone import load_backbone
from wstal.networks.backbones import MODULES
from wstal.networks.weights import UNTRAINED, WeightFile, identify


@dataclass(frozen=True)
class BackboneSettings(RowSettings):
    """The section of a backbone in a feature recipe, named like its stage."""

    NO_NUMBERS: ClassVar[tuple[str, ...]] = ("batch",)

    weights: str  # a name in workflow/reference/weights/sources.yaml, or untrained
    short_side: Annotated[int, Ge(16)]  # px, before the crop
    crop: Annotated[int, Ge(32)]  # px; the size that the weights were trained with
    interpolation: Literal["bilinear"] = "bilinear"
    batch: Annotated[int, Ge(1)] = 8  # snippets at a time


class BackboneStage(NetworkStage):
    """The vectors of a backbone's RGB snippets."""

    settings = BackboneSettings
    fills_windows = True
    inputs = ("frames",)

    def __init__(self, name: str) -> None:
        self.name = name

    def weights(self, settings: BackboneSettings) -> dict[str, str]:
        """Return the name of the network's weights."""
        return {"weights": settings.weights}

    def load(
        self,
        settings: BackboneSettings,
        files: Mapping[str, str],
        sources: Mapping[str, WeightFile],
    ) -> LoadedNetwork:
        """Load the backbone; raises as `identify` and `load_backbone`."""
        weights = files["weights"]
        identity = UNTRAINED if weights == UNTRAINED else identify(weights, sources)
        return LoadedNetwork(load_backbone(self.name, weights), weights, identity)

    def packages(self, job: Job) -> tuple[str, ...]:
        """Return the packages whose versions are recorded, those of the network included."""
        return PACKAGES + job.network.network.packages

    def extractor(self, settings: BackboneSettings, job: Job) -> Callable[[StageInput], np.ndarray]:
        """Return the function from a video to its rows `[T, D]`."""
        torch.backends.cudnn.allow_tf32 = False  # float32 means float32
        device = torch.device(job.device)
        network = job.network.network.channels_last().to(device)
        opener = rgb_opener(settings.short_side, settings.interpolation, settings.fps)
        options = {"crop": settings.crop, "batch": settings.batch, "device": device}
        return snippet_extractor(network, opener, self.rows_at(settings), job.within, **options)


STAGES = {name: BackboneStage(name) for name in MODULES}
