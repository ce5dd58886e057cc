"""The simulator's settings as a config names them, turned into the dataclass that explains them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from wstal.errors import WstalError

T = TypeVar("T")


def read_settings(kind: type[T], config: Mapping[str, Any], section: str) -> T:
    """`kind(**config[section])`.

    Raises WstalError naming the section for an unknown, missing or negative setting.
    """
    where = f"simulate.{section} of the dataset YAML"
    given = config.get(section, {})
    known = {f.name for f in fields(kind)}
    if set(given) != known:
        unknown, absent = sorted(set(given) - known), sorted(known - set(given))
        raise WstalError(f"{where}: unknown {unknown}, missing {absent}")
    if bad := [name for name, x in given.items() if isinstance(x, int | float) and x < 0]:
        raise WstalError(f"{where}: {bad} must not be negative")
    return kind(**given)
