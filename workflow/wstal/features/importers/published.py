"""What a layout's reader hands over: videos by their published names, read one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wstal.base.errors import MediaError, WstalError


class VideoFeatures(NamedTuple):
    """Streams `[T, D]` of one video, and its number of frames where the publisher gives it."""

    streams: dict[str, np.ndarray]
    frames: int | None = None


@dataclass(frozen=True)
class PublishedVideo:
    """A video by its published name; `files` are its own, `read` may raise MediaError."""

    name: str
    files: tuple[Path, ...]
    read: Callable[[], VideoFeatures]


@dataclass
class PublishedFeatures:
    """All videos of a set, the files that many of them share, and what the reader settled."""

    videos: list[PublishedVideo]
    shared: tuple[Path, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def files_below(folder: Path, suffix: str) -> Iterator[Path]:
    """Visible files with this suffix below `folder`, in the order of their paths."""
    yield from (p for p in sorted(folder.rglob(f"*{suffix}")) if not p.name.startswith("."))


def files_per_stream(streams: Mapping[str, Mapping[str, Path]], **facts: Any) -> PublishedFeatures:
    """Videos with a file of each stream (`streams`: file by video by stream).

    Those that lack one are named among the `facts`.
    """
    names = list(dict.fromkeys(name for known in streams.values() for name in known))
    whole = [name for name in names if all(name in known for known in streams.values())]
    videos = [_of_files(name, {s: known[name] for s, known in streams.items()}) for name in whole]
    lacking = sorted(set(names) - set(whole))
    return PublishedFeatures(videos, (), {"lacking_a_stream": lacking[:20], **facts})


def _of_files(name: str, files: dict[str, Path]) -> PublishedVideo:
    def read() -> VideoFeatures:
        return VideoFeatures({stream: load_array(path) for stream, path in files.items()})

    return PublishedVideo(name, tuple(files.values()), read)


def load_array(path: Path) -> np.ndarray:
    """The array of numbers in a .npy file; nothing that the file asks for is run.

    Raises MediaError for a damaged file, WstalError for one that holds pickled objects.
    """
    try:
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
    return numbers(array, path)


def numbers(array: Any, path: Path) -> np.ndarray:
    """`array` if it is one of real numbers; raises WstalError naming the file otherwise."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise WstalError(f"{path} holds no array of numbers; is it a feature file?")
    return array


def split_joint(
    array: np.ndarray, order: list[str], dims: dict[str, int], path: Path
) -> dict[str, np.ndarray]:
    """The streams that stand side by side in `[T, sum of D]`, in `order`.

    Raises WstalError if the width is not the recipe's.
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
