"""Feature recipes: their sections, and what must hold between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from wstal.base.errors import WstalError
from wstal.config.check import checked_tree
from wstal.config.stages import section_of
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


WITHOUT_NETWORK = ("simulated", "imported")  # makers of streams that are no networks


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


def checked_recipe(name: str, value: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return a recipe's complete plain tree; raise WstalError for what is wrong."""
    base = {key: part for key, part in value.items() if key not in OPTIONAL}
    tree = checked_tree(RecipeSettings, base, source, others=list(OPTIONAL))
    for key in OPTIONAL.keys() & value.keys():
        tree[key] = checked_tree(OPTIONAL[key], value[key], source, where=key)
    check_recipe(name, tree)
    return tree


def check_recipe(name: str, recipe: Mapping[str, Any]) -> None:
    """Raise WstalError for a recipe that would fail later, or mislead.

    Without the section that one of its streams needs; with different tails, so that streams
    differ in rows; or with a name that is silent about ten crops: numbers made with them are
    never taken for others.
    """
    for stream, stage in recipe.get("streams", {}).items():
        if stage not in WITHOUT_NETWORK and section_of(stage) not in recipe:
            raise WstalError(
                f"recipe {name}: the stream {stream} is made by {stage}, which needs a section "
                f"`{section_of(stage)}:` with at least weights, short_side and crop"
            )
    sections = {section_of(stage) for stage in recipe.get("streams", {}).values()} & recipe.keys()
    tails = {each: recipe[each].get("tail", "drop") for each in sorted(sections)}
    if len(set(tails.values())) > 1:
        raise WstalError(
            f"recipe {name}: tail is "
            + ", ".join(f"{tail} in {section}" for section, tail in tails.items())
            + "; give all the same, or their rows differ in number"
        )
    ten = recipe.get("i3d", {}).get("crop_mode") == "ten"
    if ten != ("tencrop" in name):
        mode, remedy = ("ten", "with") if ten else ("centre", "without")
        raise WstalError(
            f"recipe {name}: i3d.crop_mode is {mode}; give it a name {remedy} `tencrop` in it, "
            "or change the mode"
        )
