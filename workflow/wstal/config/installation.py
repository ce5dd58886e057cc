"""Where wstal is installed, and the folder that it works in.

A checkout and an installed wheel have the same layout: the Snakefile and the folders rules, scripts
and workflow are in ROOT. Results, data and `wstal.yaml` are in the work folder, which may be
another one.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
OWN_CONFIG = "wstal.yaml"  # of a work folder: laid over the configuration of the installation


def is_checkout() -> bool:
    """Return whether wstal runs from a checkout, not from an installed wheel."""
    return (ROOT / "pyproject.toml").is_file()


def work_folder(start: str | Path | None = None) -> Path:
    """Return the folder with `results/` and `data/` for commands typed in `start` (default: here).

    It is the nearest folder at or above `start` that has a `wstal.yaml`; else the checkout, if
    wstal runs from one that can be written; else `start`.
    """
    start = Path(start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / OWN_CONFIG).is_file():
            return folder
    return ROOT if is_checkout() and os.access(ROOT, os.W_OK) else start


def shipped_file(path: str) -> str:
    """Return a file of the installation as jobs name it: in another work folder, with ROOT."""
    return path if Path.cwd() == ROOT else str(ROOT / path)


def link_scripts(link: Path) -> None:
    """Let `link` lead to the scripts of this installation; it may lead to those of another one."""
    target = ROOT / "scripts"
    if link.is_symlink() and link.readlink() == target:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    new = link.with_name(f"{link.name}.{os.getpid()}")
    new.symlink_to(target)
    new.replace(link)
