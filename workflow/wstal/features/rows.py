"""Rows: which frames each row of features sees, and which seconds it speaks for.

This is the only definition of both (docs/time.md): the stages, packing and the importers take it
from here. Frame k of a grid of `fps` frames per second stands for [k / fps, (k + 1) / fps). A row
sees `window` frames, one in `every`, so its extent is `window * every` frames; the next row begins
`stride` frames later. It speaks for `stride` frames, centred on its extent:
[t0 + i step, t0 + (i + 1) step) seconds with step = stride / fps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Gt

from wstal.base.errors import WstalError
from wstal.base.settings import Count, SettingsError, from_plain

if TYPE_CHECKING:
    import numpy as np  # slow, and every parse of the rules reads this file

TIE = 1e-6  # of a step; two rows that are equally near differ by rounding alone

# drop: whole windows only | repeat: until each frame is seen, the last picture repeated | pad: rows
# speak for the whole video from 0 s on, the first and the last picture repeated
Tail = Literal["drop", "repeat", "pad"]
Resample = Literal["nearest", "mean"]


@dataclass(frozen=True)
class StreamRowSettings:
    """What a stream changes of the rows of its section."""

    window: Count | None = None
    every: Count | None = None
    stride: Count | None = None
    tail: Tail | None = None
    fps: Annotated[float, Gt(0)] | None = None


@dataclass(frozen=True, kw_only=True)
class RowSettings:
    """The keys of a section of a recipe that say what its rows see; other settings add to them."""

    # Keys that came later, and the value at which keys of files and digests do not have them.
    ADDED: ClassVar[Mapping[str, Any]] = {"every": 1, "fps": None, "per_stream": {}}

    window: Count = 16  # frames that a row sees
    every: Count = 1  # of so many frames a row sees one
    stride: Count = 16  # frames from row to row
    # drop: T = 1 + (frames - window * every) // stride | repeat: the last picture is repeated until
    # every frame is seen | pad: rows from 0 s to the end, first and last picture repeated
    tail: Tail = "drop"
    fps: Annotated[float, Gt(0)] | None = None  # frames per second, if not those of `frames`
    # What single streams of the section do differently, such as {flow: {stride: 16}}.
    per_stream: Mapping[str, StreamRowSettings] = field(default_factory=dict)


@dataclass(frozen=True)
class RowGrid:
    """The rows of a stream in time; a video decides only how many there are."""

    fps: float
    window: int = 16
    every: int = 1
    stride: int = 16
    tail: Tail = "drop"

    @property
    def extent(self) -> int:
        """Frames from the first one that a row sees to the first one after what it sees."""
        return self.window * self.every

    @property
    def lead(self) -> int:
        """Frames before the video at which row 0 begins: padding centres row 0 on its stride."""
        return (self.extent - self.stride) // 2 if self.tail == "pad" else 0

    @property
    def step(self) -> float:
        """Seconds from row to row."""
        return self.stride / self.fps

    @property
    def t0(self) -> float:
        """Seconds at which row 0 begins to speak; below 0 if the stride exceeds the extent."""
        return ((self.extent - self.stride) / 2 - self.lead) / self.fps

    @property
    def place(self) -> tuple[Any, ...]:
        """What decides how many rows there are, and when; equal for streams that share rows."""
        own = None if self.tail == "pad" else self.extent
        return self.fps, self.stride, self.tail, self.t0, own

    def count(self, frames: int) -> int:
        """Return T, the rows of a video of `frames` frames, at least 1.

        The one row of a video that is shorter than a window repeats its last picture.
        """
        begun, rest = -(-frames // self.stride), frames - self.extent
        if self.tail == "pad":
            return max(1, begun)
        if self.tail == "drop":
            return 1 + max(0, rest) // self.stride
        return max(1, min(begun, 1 - min(0, -rest) // self.stride if rest > 0 else 1))

    def frames(self, row: int) -> np.ndarray:
        """Return the frames that a row sees, increasing int64 `[window]`.

        Those below 0 are the first picture, those after the video's end its last one.
        """
        import numpy as np

        return row * self.stride - self.lead + self.every * np.arange(self.window)

    def needed(self, rows: int, frames: int) -> int:
        """Return how many of the first of `frames` frames the first `rows` rows see."""
        return min(frames, max(1, int(self.frames(rows - 1)[-1]) + 1))

    def seen(self, row: int) -> tuple[float, float]:
        """Return the seconds [a, b) that a row sees."""
        first = row * self.stride - self.lead
        return first / self.fps, (first + self.extent) / self.fps

    def spoken(self, row: int) -> tuple[float, float]:
        """Return the seconds [a, b) that a row speaks for."""
        return self.t0 + row * self.step, self.t0 + (row + 1) * self.step

    def shortage(self, frames: int) -> str:
        """Return why a video of `frames` frames does not fill a window, "" if it does."""
        if frames >= self.extent:
            return ""
        return (
            f"its {frames} frames are fewer than a row sees ({self.extent}: window {self.window}, "
            f"every {self.every}); the last picture is repeated, or choose a smaller window"
        )


@dataclass(frozen=True)
class SeenRows:
    """Rows of a video over the pictures that they see, without those between."""

    rows: RowGrid
    wanted: np.ndarray  # the frames that any row sees, increasing; picture k is frame wanted[k]

    @property
    def window(self) -> int:
        """Pictures that a row sees."""
        return self.rows.window

    def frames(self, row: int) -> np.ndarray:
        """Return the pictures that a row sees, as `RowGrid.frames` its frames."""
        import numpy as np

        last = self.wanted[-1]
        return np.searchsorted(self.wanted, self.rows.frames(row).clip(0, last))


def seen_rows(rows: RowGrid, count: int, frames: int) -> SeenRows | None:
    """Return the first `count` rows over what they see of `frames` frames; None if that is all."""
    import numpy as np

    if rows.every == 1 and rows.stride <= rows.window:
        return None
    wanted = np.unique(np.concatenate([rows.frames(row) for row in range(count)]))
    return SeenRows(rows, np.unique(wanted.clip(0, frames - 1)))


def row_settings(section: Mapping[str, Any], stream: str = "") -> RowSettings:
    """Return what a stream's rows are by the plain section of its stage; missing keys are defaults.

    `window` may have its former name, `snippet`, as in the provenance of older files.
    """
    known = {key: section[key] for key in ("every", "stride", "tail", "fps") if key in section}
    known["window"] = section.get("window", section.get("snippet", RowSettings.window))
    own = dict((section.get("per_stream") or {}).get(stream) or {})
    known |= {key: value for key, value in own.items() if value is not None}
    return from_plain(RowSettings, known)


def row_grid(section: Mapping[str, Any], fps: float, stream: str = "") -> RowGrid:
    """Return the rows of a stream from the plain section of its stage.

    `fps` is that of the recipe's `frames`, for a stream that has none of its own.
    """
    own = row_settings(section, stream)
    return RowGrid(float(own.fps or fps), own.window, own.every, own.stride, own.tail)


def check_streams(per_stream: Mapping[str, Any], streams: tuple[str, ...]) -> None:
    """Raise SettingsError if `per_stream` names a stream that the section does not make."""
    for name in per_stream:
        if name not in streams:
            raise SettingsError(
                f"per_stream names {name!r}; this section makes {', '.join(streams)}"
            )


def kept_names(section: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plain section as keys of files and digests have it.

    They are those from before rows could overlap: `window` is `snippet`, and a key of `added` is
    left out at the value given there. So no feature is computed again because of a name.
    """
    kept = {key: v for key, v in section.items() if key not in added or v != added[key]}
    return {"snippet" if key == "window" else key: value for key, value in kept.items()}


@dataclass(frozen=True)
class CommonGrid:
    """The one grid of a feature file, and how the streams of other grids are brought onto it."""

    grids: Mapping[str, RowGrid]  # by stream
    stream: str  # the one whose rows all streams get
    resample: Resample = "nearest"

    @property
    def rows(self) -> RowGrid:
        """The rows of the feature file."""
        return self.grids[self.stream]

    @property
    def is_shared(self) -> bool:
        """Whether all streams have these rows already."""
        return all(each.place == self.rows.place for each in self.grids.values())

    def bring(self, stream: str, rows: np.ndarray, count: int) -> np.ndarray:
        """Return `rows [T, D]` of a stream as `count` rows of the grid, float32 `[count, D]`."""
        import numpy as np

        own = self.grids[stream]
        if own.place == self.rows.place and len(rows) == count:
            return rows
        start, step = self.rows.t0, self.rows.step
        middles = (start + step * (np.arange(count) + 0.5) - own.t0) / own.step  # in rows
        # Of two rows that are equally near the earlier one.
        near = np.clip(np.ceil(middles - 1 - TIE).astype(np.int64), 0, len(rows) - 1)
        if self.resample == "nearest":
            return rows[near]
        edges = (start + step * np.arange(count + 1) - own.t0) / own.step
        edges = np.clip(edges, 0, len(rows))
        sums = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, 0, dtype=np.float64)])
        below = np.minimum(edges.astype(np.int64), len(rows) - 1)
        integral = sums[below] + (edges - below)[:, None] * rows[below]
        widths = np.diff(edges)[:, None]
        means = np.diff(integral, axis=0) / np.where(widths > TIE, widths, 1)
        return np.where(widths > TIE, means, rows[near]).astype(np.float32)

    def uncovered(self, stream: str, rows: int, count: int) -> int:
        """Return how many of `count` rows lie beyond what `rows` rows of a stream speak for."""
        import numpy as np

        own = self.grids[stream]
        middles = self.rows.t0 + self.rows.step * (np.arange(count) + 0.5)
        slack = own.step * (0.5 + TIE)  # half a row beyond the ends is the nearest row's
        return int(
            ((middles < own.t0 - slack) | (middles > own.t0 + rows * own.step + slack)).sum()
        )


def common_grid(
    grids: Mapping[str, RowGrid], stream: str | None, resample: Resample = "nearest"
) -> CommonGrid:
    """Return the grid of a recipe: that of its key `grid`, or the one that all streams share.

    Raises WstalError if `stream` is not one of them, or is missing where their grids differ.
    """
    names = ", ".join(grids)
    if stream is not None and stream not in grids:
        raise WstalError(f"grid: {stream!r} is not a stream of the recipe; name one of {names}")
    found = CommonGrid(grids, stream or next(iter(grids)), resample)
    if stream is None and not found.is_shared:
        rows = "; ".join(
            f"{name}: one row in {g.step:g} s from {g.t0:g} s, tail {g.tail}"
            for name, g in grids.items()
        )
        raise WstalError(
            f"grid: the streams have different rows ({rows}); give all the same window, every, "
            f"stride, tail and fps, or name the stream whose rows the others get: one of {names}"
        )
    return found
