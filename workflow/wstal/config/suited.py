"""Which methods a dataset's default recipe and task allow."""

from __future__ import annotations

from typing import Any

from wstal.config.catalog import Catalog


def unsuited(catalog: Catalog, dataset: str) -> dict[str, str]:
    """Why a method cannot be run on a dataset, by method; empty for those that can.

    A method stands for its canonical run: every stream it takes must be one of the recipe's, and
    a run that joins proposals has nothing to say on seconds (`task: events`).
    """
    return {method: _reason(catalog, dataset, method) for method in catalog.models}


def suited_methods(catalog: Catalog, dataset: str) -> list[str]:
    """The methods that can be run on a dataset, in the order of their names."""
    return sorted(name for name, reason in unsuited(catalog, dataset).items() if not reason)


def no_method(catalog: Catalog, dataset: str) -> str:
    """What to do where no method can be run on a dataset; "" where one can."""
    reasons = unsuited(catalog, dataset)
    if not all(reasons.values()):
        return ""
    recipe = catalog.datasets[dataset]["recipe"]
    streams = ", ".join(catalog.features[recipe]["streams"])
    return (
        f"no method suits dataset {dataset}: "
        f"{'; '.join(f'{name} {reason}' for name, reason in reasons.items())}. Say which streams "
        f"one is to take, in a file for --configfile: models: {{tssam: {{recipes: {{{recipe}: "
        f"{{streams: [{streams}]}}}}}}}}"
    )


def _reason(catalog: Catalog, dataset: str, run: str) -> str:
    about: dict[str, Any] = catalog.datasets[dataset]
    config = catalog.run_config(dataset, run)
    there = catalog.features[about["recipe"]]["streams"]
    if absent := [name for name in config["streams"] if name not in there]:
        return f"takes {', '.join(absent)}, which recipe {about['recipe']} has not"
    if config.get("fuse_from") and about["task"] == "events":
        return "joins proposals, and names no class for a second"
    return ""
