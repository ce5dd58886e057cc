"""A table as a CSV file that is whole or absent."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from wstal.atomic import atomic_path
from wstal.errors import WstalError


def write_frame(path: str | Path, frame: pd.DataFrame, float_format: str | None = None) -> None:
    """Write `frame` without its index to `path` atomically."""
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False, float_format=float_format)


def read_frame(path: str | Path) -> pd.DataFrame:
    """The table in a CSV file with a heading; raises WstalError naming a file that holds none."""
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas' own are ValueErrors
        raise WstalError(f"{path} is no table ({error}); remove it and make it again") from error
