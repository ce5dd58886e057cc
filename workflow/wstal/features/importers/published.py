"""The settings of an import, and what every layout's reader returns.

A reader lists the videos of a published set by their published names. The arrays of a video are
read when its `read` is called, one video at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, MinLen

from wstal.base.errors import MediaError, WstalError
from wstal.base.memory import max_memory
from wstal.base.settings import SettingsError
from wstal.base.user_files import check_regular

EXAMPLES = 20  # videos named in a fact

Layout = Literal["wtalc", "basnet", "acmnet", "cmcs", "autoloc", "ave", "streams"]
Stream = Literal["rgb", "flow", "audio"]


@dataclass(frozen=True)
class ImportSettings:
    """The section `import` of a feature recipe: published or own features, used as they are."""

    layout: Layout  # how the files are laid out: docs/datasets.md says what to place where
    # The streams. If they share an array, this is their order in it.
    order: Annotated[tuple[Stream, ...], MinLen(1)] = ("rgb", "flow")
    # Channels of each stream; files of another width are refused.
    dims: Mapping[str, Annotated[int, Ge(1)]] = field(
        default_factory=lambda: {"rgb": 1024, "flow": 1024}
    )
    fps: Annotated[float, Gt(0)] = 25  # frames per second of the common time grid
    snippet: Annotated[int, Ge(1)] = 16  # frames that a row sees
    stride: Annotated[int, Ge(1)] = 16  # frames from row to row
    # The rates there are, where rows follow each video's own frame rate (an empty list: any rate).
    rates: tuple[Annotated[float, Gt(0)], ...] | None = None
    # Where they do. common: rows are chosen by time, at `fps` | own: all rows, each video with its
    # own step in seconds
    grid: Literal["common", "own"] = "common"
    crop: Literal["centre", "mean"] = "centre"  # what to take of files with several crops
    # Videos known to be missing from the published set; a larger max_missing of the dataset wins.
    max_missing: Annotated[int, Ge(0)] = 0

    def __post_init__(self) -> None:
        if len(set(self.order)) < len(self.order):
            raise SettingsError(f"order names a stream twice: {list(self.order)}")
        if self.grid == "own" and (self.rates is None or self.snippet != self.stride):
            raise SettingsError(
                "grid: own is for rows at each video's own rate without overlap; give rates, and a "
                "snippet as long as the stride, or set grid: common"
            )


class VideoFeatures(NamedTuple):
    """Streams `[T, D]` of one video, and its number of frames if the publisher gives it."""

    streams: dict[str, np.ndarray]
    frames: int | None = None


@dataclass(frozen=True)
class PublishedVideo:
    """A video by its published name.

    `files` belong to this video alone. `read` returns its features, or raises MediaError if they
    are damaged.
    """

    name: str
    files: tuple[Path, ...]
    read: Callable[[], VideoFeatures]


@dataclass
class PublishedFeatures:
    """All videos of a set, the files that many of them share, and facts for the provenance."""

    videos: list[PublishedVideo]
    shared: tuple[Path, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def files_below(folder: Path, suffix: str) -> Iterator[Path]:
    """Yield the visible files with this suffix below `folder`, sorted by path."""
    yield from (p for p in sorted(folder.rglob(f"*{suffix}")) if not p.name.startswith("."))


def load_array(path: Path) -> np.ndarray:
    """Return the numeric array of a .npy file; pickled code in the file is never run.

    Raises MediaError for a damaged file, WstalError for one that holds pickled objects.
    """
    try:
        if (size := check_regular(path, MediaError).stat().st_size) > max_memory():
            raise MediaError(f"{path.name} has {size:,} bytes, more than max_memory allows")
        array = np.load(path, allow_pickle=False)
    except (OSError, EOFError, MemoryError) as error:
        raise MediaError(f"{path.name} is damaged: {error}") from error
    except ValueError as error:
        if "pickle" in str(error):
            raise WstalError(
                f"{path} is refused: it holds pickled objects, not an array of numbers; fetch it "
                "again from its publisher, or name its layout in the recipe (import.layout)"
            ) from error
        raise MediaError(f"{path.name} is damaged: {error}") from error
    return check_numbers(array, path)


def check_numbers(array: Any, path: Path) -> np.ndarray:
    """Return `array`; raise WstalError naming the file if it is not an array of real numbers."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise WstalError(f"{path} does not hold an array of numbers; is it a feature file?")
    return array


def split_joint(
    array: np.ndarray, order: Sequence[str], dims: Mapping[str, int], path: Path
) -> dict[str, np.ndarray]:
    """Split a joint array `[T, sum of D]` into its streams `[T, D]`, in the order `order`.

    Raises WstalError if the width differs from the recipe's `dims`.
    """
    width = sum(dims[name] for name in order)
    if array.ndim != 2 or array.shape[1] != width:
        parts = " + ".join(f"{name} {dims[name]}" for name in order)
        raise WstalError(
            f"{path}: an array of shape {list(array.shape)}, the recipe expects [T, {width}] "
            f"({parts}); choose the recipe made for these files, or correct its import.dims"
        )
    ends = np.cumsum([dims[name] for name in order])[:-1]
    return dict(zip(order, np.split(array, ends, axis=1), strict=True))
