"""Files that hold several things of one kind: a paper's tables, a family of protocols.

`tables/{method}.yaml` maps `table1`, `table2`, ... to the tables of a paper; their names are
`{method}_table1` and so on. `protocols/{family}.yaml` has the settings that a family shares and
maps each name under `protocols:` to what differs; each of its `variants:` is a protocol of its own,
`{protocol}_{variant}`. A file without `protocols:` is one protocol with the file's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wstal.base.errors import WstalError
from wstal.config.layers import expect_mapping, merged

_TABLE = re.compile(r"table(\d+)\Z")


def tables_of(path: Path, content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a paper's tables by name, each with its method, its number and the paper's CSV."""
    tables = {}
    for key, table in content.items():
        found = _TABLE.match(str(key))
        if not found:
            raise WstalError(f"{path}: {key!r} is not a table; name tables table1, table2, ...")
        name = f"{path.stem}_{key}"
        known = {"method": path.stem, "table": int(found[1]), "paper": f"{name}.csv"}
        tables[name] = known | expect_mapping(table, f"{path}: {key}")
    return tables


def protocols_of(path: Path, content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a family's protocols by name, without their defaults."""
    if "protocols" not in content:
        return {path.stem: dict(content)}
    shared = {key: value for key, value in content.items() if key != "protocols"}
    protocols: dict[str, dict[str, Any]] = {}
    for name, own in expect_mapping(content["protocols"], f"{path}: protocols").items():
        where = f"{path}: protocols.{name}"
        own = dict(expect_mapping(own, where))
        variants = expect_mapping(own.pop("variants", {}), f"{where}.variants")
        base = merged(shared, own)
        layers = {name: base}
        for variant, change in variants.items():
            change = expect_mapping(change, f"{where}.variants.{variant}")
            layers[f"{name}_{variant}"] = merged(base, change)
        if repeated := protocols.keys() & layers.keys():
            raise WstalError(f"{where}: {', '.join(sorted(repeated))} is there twice")
        protocols |= layers
    return protocols
