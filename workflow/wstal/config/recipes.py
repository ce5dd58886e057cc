"""Which section of a feature recipe belongs to which stage."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from wstal.config.layers import canonical
from wstal.errors import WstalError

_SHARED = {"i3d_rgb": "i3d", "i3d_flow": "i3d"}  # stages that share a section
_WITHOUT = ("simulated", "imported")  # stages without a network
# Who computes and how many at a time: no stage has these in the key of its files.
_NO_NUMBERS = {"frames": ("decoder",), "flow": ("backend", "cache_flow")}
_NO_NUMBER = ("batch",)  # in any section


def section_of(stage: str) -> str:
    """The recipe's section for a stage that makes a stream: its own name but for I3D's two."""
    return _SHARED.get(stage, stage)


def check_recipe(name: str, recipe: Mapping[str, Any]) -> None:
    """Raise WstalError for a recipe that would fail later, or mislead.

    Without the section that one of its streams needs; with different tails, so that streams
    differ in rows; or with a name that is silent about ten crops: numbers made with them are
    never taken for others.
    """
    for stream, stage in recipe.get("streams", {}).items():
        if stage not in _WITHOUT and section_of(stage) not in recipe:
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


def recipe_digest(recipe: Mapping[str, Any]) -> str:
    """SHA-256 of what of a recipe makes its numbers."""
    return hashlib.sha256(canonical(numbers_part(recipe)).encode()).hexdigest()


def numbers_part(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe, or some of its sections, without the settings that change no number."""
    return {
        section: {
            name: value
            for name, value in settings.items()
            if name not in (*_NO_NUMBERS.get(section, ()), *_NO_NUMBER)
        }
        if isinstance(settings, Mapping)
        else settings
        for section, settings in recipe.items()
    }
