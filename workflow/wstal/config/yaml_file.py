"""YAML files, of which the project's hold one mapping each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from wstal.errors import WstalError


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; raises WstalError naming the file if it holds none.

    A key that a mapping repeats is refused: of two sections of one name the first would be lost.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise WstalError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise WstalError(f"{path}: expected a mapping of keys to values")
    return content


class _Loader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        # Here and not where mappings are built: merging (<<) puts keys in twice by design.
        node, seen = super().compose_mapping_node(anchor), set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if (key.tag, key.value) in seen:
                problem = f"the key {key.value!r} stands twice; keep one, or join what they hold"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add((key.tag, key.value))
        return node
