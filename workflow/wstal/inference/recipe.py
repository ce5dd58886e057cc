"""The feature recipe of a run: today's configuration, held to be the one it was trained with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    recipe = video_recipe(recipes, name)
    found = recipe_digest(recipe)
    if found != digest:
        raise WstalError(
            f"the feature recipe {name} was changed since the run was trained (digest "
            f"{digest[:12]}, now {found[:12]}); restore workflow/config/features/{name}.yaml, "
            "give the settings that were used (--configfile FILE), or train the run again"
        )
    return recipe


def video_recipe(recipes: Mapping[str, Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """The recipe `name`.

    Raises WstalError if the configuration has none of that name, and for one whose features are
    not made from videos.
    """
    if name not in recipes:
        near = ", ".join(get_close_matches(name, recipes, 3)) or ", ".join(sorted(recipes))
        raise WstalError(
            f"the feature recipe {name!r} is none of workflow/config/features (nearest: {near}); "
            "give the file that has it: --configfile FILE"
        )
    recipe = recipes[name]
    for stage in recipe["streams"].values():
        if stage in NOT_FROM_VIDEO:
            own = sorted(n for n, r in recipes.items() if _from_video(r))
            raise WstalError(
                f"the features of recipe {name} {NOT_FROM_VIDEO[stage]}: no video can be turned "
                f"into them. Take a recipe that starts from videos: {', '.join(own)}"
            )
    return recipe


def chosen_streams(recipe: Mapping[str, Any], names: Iterable[str] | None) -> list[str]:
    """The streams `names` of a recipe, or all; raises WstalError for one that it has not."""
    chosen = list(dict.fromkeys(names or recipe["streams"]))
    if unknown := [name for name in chosen if name not in recipe["streams"]]:
        raise WstalError(
            f"the recipe has no stream {', '.join(unknown)}; it has {', '.join(recipe['streams'])}"
        )
    return chosen


def _from_video(recipe: Mapping[str, Any]) -> bool:
    return not set(recipe["streams"].values()) & NOT_FROM_VIDEO.keys()
