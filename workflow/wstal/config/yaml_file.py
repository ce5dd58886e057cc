"""YAML files, of which the project's hold one mapping each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from wstal.errors import WstalError


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; raises WstalError naming the file if it holds none."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise WstalError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise WstalError(f"{path}: expected a mapping of keys to values")
    return content
