"""The feature recipe of a run: today's configuration, held to be the one it was trained with."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from wstal.config.recipes import recipe_digest
from wstal.errors import WstalError

NOT_FROM_VIDEO = {"imported": "are imported as published", "simulated": "are simulated"}


def run_recipe(
    recipes: Mapping[str, Mapping[str, Any]], name: str, digest: str
) -> Mapping[str, Any]:
    """The recipe `name`, whose `digest` stands in the run's features.

    Raises WstalError if the configuration has none of that name or another one, and for features
    that are not made from videos.
    """
    if name not in recipes:
        near = ", ".join(get_close_matches(name, recipes, 3)) or ", ".join(sorted(recipes))
        raise WstalError(
            f"the run was trained with the feature recipe {name!r}, which workflow/config/features "
            f"lacks (nearest: {near}); give the file that has it: --configfile FILE"
        )
    recipe = recipes[name]
    for stage in recipe["streams"].values():
        if stage in NOT_FROM_VIDEO:
            own = sorted(n for n, r in recipes.items() if _from_video(r))
            raise WstalError(
                f"the features of recipe {name} {NOT_FROM_VIDEO[stage]}: no video can be turned "
                f"into them. Train a run with a recipe that starts from videos: {', '.join(own)}"
            )
    found = recipe_digest(recipe)
    if found != digest:
        raise WstalError(
            f"the feature recipe {name} was changed since the run was trained (digest "
            f"{digest[:12]}, now {found[:12]}); restore workflow/config/features/{name}.yaml, "
            "give the settings that were used (--configfile FILE), or train the run again"
        )
    return recipe


def _from_video(recipe: Mapping[str, Any]) -> bool:
    return not set(recipe["streams"].values()) & NOT_FROM_VIDEO.keys()
