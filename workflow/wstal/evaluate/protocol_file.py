"""Protocols by name, from a YAML file, or as the JSON that the workflow hands to its jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from wstal.config.validate import validated
from wstal.config.yaml_file import read_yaml
from wstal.errors import WstalError
from wstal.evaluate.protocols import Protocol, protocol_from

WORKFLOW = Path(__file__).resolve().parents[2]


def read_protocol(source: str, workflow: Path = WORKFLOW) -> Protocol:
    """The protocol that `source` means.

    JSON text with its `name` in it, the path of a YAML file (named by the file), or the name
    of a file in `workflow`/config/protocols. Raises WstalError naming the file, the key and
    the nearest valid one, or the nearest known name.
    """
    if source.lstrip().startswith("{"):
        try:
            content = json.loads(source)
        except ValueError as error:
            raise WstalError(f"the protocol is not JSON: {error}") from error
        return _protocol(str(content.pop("name", "given as JSON")), content, "protocol", workflow)
    folder = workflow / "config" / "protocols"
    path = Path(source) if source.endswith((".yaml", ".yml")) else folder / f"{source}.yaml"
    if not path.is_file():
        names = protocol_names(workflow)
        near = get_close_matches(Path(source).stem, names, 3) or names
        raise WstalError(f"there is no protocol {source!r}; nearest: {', '.join(near)}")
    return _protocol(path.stem, read_yaml(path), str(path), workflow)


def protocol_names(workflow: Path = WORKFLOW) -> list[str]:
    """Names of the protocols that come with the project."""
    return sorted(path.stem for path in (workflow / "config" / "protocols").glob("*.yaml"))


def _protocol(name: str, content: Mapping[str, Any], source: str, workflow: Path) -> Protocol:
    schema = json.loads((workflow / "schemas" / "protocol.schema.json").read_text())
    return protocol_from({"name": name, **validated(content, schema, source)})
