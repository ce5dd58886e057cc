"""The stages `i3d_rgb` and `i3d_flow`: Inception-I3D over the snippets of a stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt

from wstal.base.settings import SettingsError, to_plain
from wstal.base.stage import Job, LoadedNetwork, StageInput
from wstal.features.network_stage import NetworkStage
from wstal.features.precision import precision_stamp
from wstal.features.rows import RowSettings, check_streams, row_settings
from wstal.features.snippets import Opener, read_flow, rgb_opener, snippet_extractor
from wstal.networks.i3d.inference import TenCrop, for_inference
from wstal.networks.i3d.network import MIN_FRAMES, load_i3d, untrained_i3d
from wstal.networks.weights import UNTRAINED, WeightFile, identify

CHANNELS = {"rgb": 3, "flow": 2}  # of the input, by stream
BATCH = {"cpu": 8, "cuda": 32}  # snippets at a time if the recipe does not say


@dataclass(frozen=True)
class I3DWeights:
    """Names in workflow/reference/weights/sources.yaml, or `untrained`, by stream."""

    rgb: str = "i3d_rgb_imagenet"
    flow: str = "i3d_flow_imagenet"


@dataclass(frozen=True)
class I3DSettings(RowSettings):
    """Section `i3d` of a feature recipe, of both streams: Inception-I3D and what it sees."""

    NO_NUMBERS: ClassVar[tuple[str, ...]] = ("batch",)

    weights: I3DWeights = I3DWeights()
    width: Annotated[float, Gt(0)] = 1.0  # of all layers; the published weights have 1.0
    short_side: Annotated[int, Ge(16)] = 256  # px, before the crop (kinetics-i3d)
    interpolation: Literal["bilinear"] = "bilinear"
    crop: Annotated[int, Ge(32)] = 224  # px (kinetics-i3d)
    # ten: the mean over corners, centre and their mirrors; the recipe's name then says tencrop
    crop_mode: Literal["centre", "ten"] = "centre"
    # fp32 is exact; the others (tf32 and fp16 on GPUs only) are `unverified` until
    # `check_precision` has passed them with the weights.
    precision: Literal["fp32", "tf32", "fp16", "bf16"] = "fp32"
    batch: Annotated[int, Ge(1)] | None = None  # snippets at a time; null: 8 on CPUs, 32 on GPUs

    def __post_init__(self) -> None:
        check_streams(self.per_stream, tuple(CHANNELS))
        for stream in CHANNELS:
            rows = row_settings(to_plain(self), stream)
            if rows.window < MIN_FRAMES:
                raise SettingsError(
                    f"window is {rows.window} for {stream}, fewer than the {MIN_FRAMES} frames "
                    f"that Inception-I3D needs; set window to {MIN_FRAMES} or more"
                )
            if stream == "flow" and rows.fps:
                raise SettingsError(
                    "fps is given for flow, which is computed between the frames of the recipe; "
                    "set frames.fps, or give fps under per_stream.rgb alone"
                )


class I3DStage(NetworkStage):
    """Rows of 1024 * width numbers of one stream.

    Flow comes from the files of the stage `flow`, or is streamed from it. A video of a single
    frame has no flow: its snippet shows no motion.
    """

    settings = I3DSettings
    fills_windows = True

    def __init__(self, stream: Literal["rgb", "flow"]) -> None:
        self.stream, self.name = stream, f"i3d_{stream}"
        self.inputs = ("frames",) if stream == "rgb" else ("frames", "flow")

    def weights(self, settings: I3DSettings) -> dict[str, str]:
        """Return the name of the stream's weights."""
        return {"weights": getattr(settings.weights, self.stream)}

    def load(
        self, settings: I3DSettings, files: Mapping[str, str], sources: Mapping[str, WeightFile]
    ) -> LoadedNetwork:
        """Load the stream's network; raises as `identify` and `load_i3d`."""
        weights, size = files["weights"], (CHANNELS[self.stream], settings.width)
        if weights == UNTRAINED:
            return LoadedNetwork(untrained_i3d(*size), UNTRAINED, UNTRAINED)
        identity = identify(weights, sources)
        return LoadedNetwork(load_i3d(weights, *size), weights, identity)

    def provenance(self, settings: I3DSettings, job: Job) -> dict[str, Any]:
        """Return what all networks record, and the precision."""
        about = (settings.precision, job.network.weights, job.network.identity)
        stamp = precision_stamp(*about, torch.device(job.device))
        return super().provenance(settings, job) | stamp

    def extractor(self, settings: I3DSettings, job: Job) -> Callable[[StageInput], np.ndarray]:
        """Return the function from a video to its rows `[T, 1024 * width]`."""
        device = torch.device(job.device)
        fast = for_inference(job.network.network, device, settings.precision)
        batch, crop = settings.batch or BATCH[device.type], settings.crop
        if settings.crop_mode == "ten":
            fast, crop = TenCrop(fast, settings.crop), None
        options = {"crop": crop, "batch": batch, "device": device, "skips": self.stream == "rgb"}
        opener = self._opener(settings, job)
        return snippet_extractor(fast, opener, self.rows_at(settings), job.within, **options)

    def _opener(self, settings: I3DSettings, job: Job) -> Opener:
        if self.stream == "rgb":
            fps = row_settings(to_plain(settings), "rgb").fps
            return rgb_opener(settings.short_side, settings.interpolation, fps)
        if "flow" in job.streamed:
            return job.streamed["flow"].arrays
        return lambda video: read_flow(video.files["flow"])


STAGES = {f"i3d_{stream}": I3DStage(stream) for stream in CHANNELS}
