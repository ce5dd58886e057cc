"""Which reader takes a layout apart, and what to place where when nothing is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wstal.base.errors import WstalError
from wstal.datasets.annotations import Annotations, NothingThere
from wstal.features.importers import acmnet, autoloc, ave, basnet, cmcs, streams, wtalc
from wstal.features.importers.published import PublishedFeatures

PAGES = {
    "wtalc": wtalc.PAGE,
    "basnet": basnet.PAGE,
    "acmnet": acmnet.PAGE,
    "cmcs": cmcs.PAGE,
    "autoloc": autoloc.PAGE,
    "ave": ave.PAGE,
    "streams": streams.PAGE,
}
DEFAULTS = {  # as in workflow/schemas/features.schema.json
    "order": ["rgb", "flow"],
    "dims": {"rgb": 1024, "flow": 1024},
    "fps": 25,
    "snippet": 16,
    "stride": 16,
    "rates": None,
    "crop": "centre",
    "max_missing": 0,
}


def with_defaults(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe with `import` whose other keys may have been left out."""
    if "layout" not in (recipe.get("import") or {}):
        raise WstalError(f"the recipe has no import.layout; it can be {', '.join(PAGES)}")
    return {"dtype": "float32", **recipe, "import": DEFAULTS | recipe["import"]}


def find_features(
    folder: Path,
    settings: Mapping[str, Any],
    annotations: Annotations,
    labels: Sequence[Path] = (),
) -> PublishedFeatures:
    """The published features below `folder`, by `settings["layout"]` (a recipe's `import`).

    Raises WstalError for files that cannot be used; where there are none, its message says
    what to place there.
    """
    try:
        match settings["layout"]:
            case "wtalc":
                return wtalc.find_wtalc(folder, settings, labels)
            case "basnet":
                return basnet.find_basnet(folder, settings)
            case "acmnet":
                return acmnet.find_acmnet(folder, settings)
            case "cmcs":
                return cmcs.find_cmcs(folder, settings)
            case "autoloc":
                return autoloc.find_autoloc(folder, settings)
            case "ave":
                return ave.find_ave(folder, settings, annotations)
            case "streams":
                return streams.find_streams(folder, settings)
            case other:
                raise WstalError(f"layout {other!r} is not one of {', '.join(PAGES)}")
    except NothingThere as error:
        raise WstalError(_page(settings["layout"], folder, str(error))) from error


def _page(layout: str, folder: Path, absent: str) -> str:
    return (
        f"Features of the layout `{layout}`: what to place, and where\n\n"
        f"1. Into {folder}, or the folder that `features:` of the dataset names (or a folder\n"
        "     in it with the recipe's name)\n"
        f"     {PAGES[layout]}\n"
        "2. Unpack archives there; folders inside may have any names unless said above.\n"
        "Terms: those of the publisher; the features are made from other people's videos.\n\n"
        f"Not there yet: {absent} below {folder}."
    )
