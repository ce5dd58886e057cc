"""What jobs inherit from the checkout that starts them."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def prepare_jobs(root: str | Path) -> None:
    """Let every job use this checkout's package and this interpreter, wherever others are."""
    _prepend("PYTHONPATH", str(Path(root) / "workflow"))
    _prepend("PATH", str(Path(sys.executable).parent))


def gpu_count() -> int:
    """NVIDIA GPUs of this machine that jobs may use, without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = len(list(Path("/dev").glob("nvidia[0-9]*")))
    return found if visible is None else len([name for name in visible.split(",") if name.strip()])


def _prepend(variable: str, entry: str) -> None:
    rest = os.environ.get(variable, "")
    if rest.split(os.pathsep)[0] != entry:
        os.environ[variable] = f"{entry}{os.pathsep}{rest}" if rest else entry
