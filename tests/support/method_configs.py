"""Resolved configs of the methods' runs, as plain trees, cut down where a test asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from wstal.config.layers import merged, resolve_run

SMALL_CO2NET = {
    "model": {"width": 8, "attention_width": 4},
    "data": {"length": 12, "batch": 6, "pairs": 2, "standardize": "train"},
    "train": {"iterations": 12, "score_interval": 5, "log_interval": 4},
}


def method_yaml(project: Path, method: str) -> dict[str, Any]:
    """The method's YAML: its base, datasets, recipes, variants and the paper's protocols."""
    return yaml.safe_load((project / f"workflow/config/methods/{method}.yaml").read_text())


def method_config(
    project: Path,
    run: str,
    dataset: str = "thumos14",
    recipe: str = "",
    changes: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The complete config of a run (`tssam`, `acn-rgb`) on a dataset and recipe, then changed."""
    method, _, variant = run.partition("-")
    base = resolved(method_yaml(project, method), dataset, variant or None, recipe)
    return merged(base, changes or {})


def resolved(
    content: dict[str, Any], dataset: str, variant: str | None, recipe: str = ""
) -> dict[str, Any]:
    """The complete config of a run of a method's YAML."""
    from wstal.config.validation import check_run  # needs pydantic, which a GPU machine may lack

    return check_run(content["method"], resolve_run(content, dataset, variant, recipe), "test")


def small_config(project: Path, variant: str | None = None, **changes: Any) -> dict[str, Any]:
    """The demo's CO2-Net config (or a variant of it) cut down to the small set."""
    run = f"co2net-{variant}" if variant else "co2net"
    return merged(method_config(project, run, "demo", changes=SMALL_CO2NET), changes)


def small_unchecked_config(project: Path, **changes: Any) -> dict[str, Any]:
    """The config of `small_config` without its check and its defaults, for a GPU machine."""
    return merged(resolve_run(method_yaml(project, "co2net"), "demo", None), SMALL_CO2NET, changes)
