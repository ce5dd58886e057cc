"""Translate the words of a Snakemake command line from any folder to the checkout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wstal.commands.console import ROOT


def from_checkout(words: Sequence[str], folder: Path, root: Path = ROOT) -> list[str]:
    """Return `words`, typed in `folder`, with the paths as `root` sees them.

    A path in the checkout's results/ becomes relative to the checkout, as targets are; another
    file that exists becomes absolute; `results/...` and everything else is left unchanged.
    """
    return [_from_checkout(word, folder, root) for word in words]


def _from_checkout(word: str, folder: Path, root: Path) -> str:
    is_path = ("/" in word or Path(word).suffix) and "=" not in word
    if word.startswith(("-", "results/")) or not is_path:
        return word
    path = (folder / word).resolve()
    if path.is_relative_to(root / "results"):
        return path.relative_to(root).as_posix()
    return str(path) if path.is_file() else word
