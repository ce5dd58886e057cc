"""Feature recipes: their sections, and what must hold between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from wstal.config.check import checked_tree
from wstal.demo.simulate import SimulatedSettings
from wstal.features.backbone_stage import BackboneSettings
from wstal.features.i3d_stage import I3DSettings
from wstal.features.importers.published import ImportSettings
from wstal.features.vggish_stage import VggishSettings
from wstal.flow.algorithm import FlowSettings
from wstal.media.audio_stage import AudioSettings
from wstal.media.frame_stage import FrameSettings
from wstal.networks.backbones import MODULES as BACKBONES

Stage = Literal[("i3d_rgb", "i3d_flow", "vggish", *BACKBONES, "simulated", "imported")]


@dataclass(frozen=True)
class RecipeSettings:
    """A feature recipe, without the sections that are there only where they are named."""

    # Streams of features.h5 and the stage that makes each.
    streams: Mapping[str, Stage] = field(
        default_factory=lambda: {"rgb": "i3d_rgb", "flow": "i3d_flow", "audio": "vggish"}
    )
    dtype: Literal["float32", "float16"] = "float32"  # of features.h5
    simulated: SimulatedSettings | None = None
    frames: FrameSettings = FrameSettings()
    audio: AudioSettings = AudioSettings()
    flow: FlowSettings = FlowSettings()
    i3d: I3DSettings = I3DSettings()
    vggish: VggishSettings = VggishSettings()


OPTIONAL = {"import": ImportSettings, **dict.fromkeys(BACKBONES, BackboneSettings)}


def checked_recipe(value: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return a recipe's complete plain tree; raise WstalError for what is wrong."""
    base = {key: part for key, part in value.items() if key not in OPTIONAL}
    tree = checked_tree(RecipeSettings, base, source, others=list(OPTIONAL))
    for key in OPTIONAL.keys() & value.keys():
        tree[key] = checked_tree(OPTIONAL[key], value[key], source, where=key)
    return tree
