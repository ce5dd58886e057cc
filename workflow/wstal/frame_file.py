"""A table as a CSV file that is whole or absent."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from wstal.atomic import atomic_path


def write_frame(path: str | Path, frame: pd.DataFrame, float_format: str | None = None) -> None:
    """Write `frame` without its index to `path` atomically."""
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False, float_format=float_format)
