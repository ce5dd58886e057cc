"""Two feature files of the same videos side by side: lengths, time, streams, likely causes.

Rows are compared by their centred cosine: each channel's mean over the video is subtracted first.
Features after a ReLU all point in similar directions, so the plain cosine of any two rows is high;
it is reported too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from wstal.base.errors import WstalError
from wstal.features.importers.layouts import stream_files
from wstal.features.importers.published import load_array
from wstal.features.pack import FeatureFile

RATES = (1.0, 5 / 6, 6 / 5, 24 / 25, 25 / 24, 4 / 5, 5 / 4, 1 / 2, 2.0, 1 / 4, 4.0)
MAX_SHIFT = 8  # rows
MAX_ROWS = 2000  # compared per video
MIN_OVERLAP = 4  # rows
BETTER = 0.02  # by which another rate, shift or order must match better to be accepted
FLAT = 0.05  # share of the other side's change over time below which rows stand still
LAGS = 20  # rows over which a video's resemblance to itself is compared
LEAST_ROWS = 16  # for that comparison
SAME, ALIKE = 0.999, 0.3  # centred cosines
STREAMS = ("rgb", "flow", "audio")
Streams = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Alignment:
    """Row l of a corresponds to row (l + 0.5) * rate - 0.5 + shift of b; `match` in -1..1."""

    match: float
    rate: float = 1.0
    shift: int = 0
    swapped: bool = False


class ArrayFolder:
    """Arrays of a folder, read as a feature file: `{video}_{stream}.npy` or `{video}-{stream}.npy`.

    `{video}.npy` beside the other streams of a video is its `rgb`. Neither the grid nor the
    origin of the rows is known: `attrs` is empty. Raises WstalError if there is no such file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self.attrs = Path(path), {}
        found, _ = stream_files(self.path, STREAMS)
        self._files = {stream: files for stream, files in found.items() if files}
        self.streams = list(self._files)
        if not self.streams:
            raise WstalError(
                f"{path}: no file *_rgb.npy, *_flow.npy or *_audio.npy below this folder; import "
                "features of another layout first (docs/datasets.md)"
            )

    def __enter__(self) -> ArrayFolder:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ids(self) -> list[str]:
        """Return the videos that have every stream, sorted."""
        return sorted(set.intersection(*map(set, self._files.values())))

    def read(self, video: str, streams: Iterable[str]) -> np.ndarray:
        """Return the streams of a video side by side: float32 `[T, sum of D]`."""
        arrays = [load_array(self._files[name][video]) for name in streams]
        return np.concatenate(arrays, 1, dtype=np.float32)


def open_features(path: str | Path) -> FeatureFile | ArrayFolder:
    """Open a feature file, or a folder of arrays."""
    return ArrayFolder(path) if Path(path).is_dir() else FeatureFile(path)


def compare_files(
    a: FeatureFile | ArrayFolder,
    b: FeatureFile | ArrayFolder,
    track: Callable[[Iterable], Iterable] = iter,
) -> list[dict[str, Any]]:
    """Return a row per video that both files have, by id with or without a leading `v_`.

    Columns: id, rows_a, rows_b, rate (rows of b per row of a), shift (rows of b), swapped, per
    stream cosine_{s}, match_{s} (centred) and scale_{s} (norm of b's rows over a's), causes, and
    confidence: the share of the difference that rate, shift and order of streams explain (1: all
    of it, or nothing differs; 0: none, and the cause is a guess).
    Raises WstalError if the files share no video or no stream.
    """
    known = {video.removeprefix("v_"): video for video in b.ids()}
    pairs = [(v, known[v.removeprefix("v_")]) for v in a.ids() if v.removeprefix("v_") in known]
    streams = [name for name in a.streams if name in b.streams]
    if not pairs or not streams:
        raise WstalError(
            f"{a.path} and {b.path} share no {'stream' if pairs else 'video'}: "
            f"{a.streams if pairs else a.ids()[:3]} and {b.streams if pairs else b.ids()[:3]}"
        )
    rows = []
    for video, other in track(pairs):
        ours = {name: a.read(video, [name]) for name in streams}
        theirs = {name: b.read(other, [name]) for name in streams}
        rows.append({"id": video, **compare_video(ours, theirs)})
    return rows


def compare_video(a: Streams, b: Streams) -> dict[str, Any]:
    """Return the columns of one video; `a` and `b` hold the same streams, each `[T, D]`."""
    rows_a, rows_b = (len(next(iter(side.values()))) for side in (a, b))
    row: dict[str, Any] = {"rows_a": rows_a, "rows_b": rows_b}
    widths = [name for name in a if a[name].shape[1] != b[name].shape[1]]
    if widths:
        text = ", ".join(f"{n} {a[n].shape[1]} and {b[n].shape[1]}" for n in widths)
        return row | {"causes": f"different networks: width of {text}; {_time_cause(a, b)}"}
    found = align(a, b)
    row |= {"rate": round(found.rate, 4), "shift": found.shift, "swapped": found.swapped}
    index_a, index_b = _overlap(rows_a, rows_b, found)
    partner = _partners(list(a), found.swapped)
    for name in a:
        ours, theirs = a[name][index_a], b[partner[name]][index_b]
        row[f"cosine_{name}"] = _cosine(ours, theirs)
        row[f"match_{name}"] = match_rows(ours, theirs)
        lengths = [max(float(_norms(rows).mean()), 1e-12) for rows in (ours, theirs)]
        row[f"scale_{name}"] = lengths[1] / lengths[0]
    causes = _find_causes(a, b, row, found)
    row["confidence"] = round(_confidence(a, b, row, found, causes), 3)
    return row | {"causes": "; ".join(causes)}


def align(a: Streams, b: Streams) -> Alignment:
    """Return the rate, shift and stream order under which the rows of `b` fit `a` best."""
    rows_a, rows_b = (len(next(iter(side.values()))) for side in (a, b))
    best = None
    for swapped in (False, True) if _has_swappable_streams(a) else (False,):
        partner = _partners(list(a), swapped)
        similarity = sum(_similarity(a[name], b[partner[name]]) for name in a) / len(a)
        for trial in _trials(rows_b / rows_a, swapped):
            index = _overlap(*similarity.shape, trial)
            plain = trial.rate == 1 and not trial.shift
            if not plain and len(index[0]) < max(MIN_OVERLAP, len(similarity) / 2):
                continue
            match = float(similarity[index].mean())
            if best is None or match > best.match + BETTER:
                best = replace(trial, match=match)
    return best


def align_time(a: Streams, b: Streams) -> tuple[float, float, int]:
    """Return how alike two videos change over time, by how much, and the shift (rows of b).

    Rows of different networks cannot be compared, but which of a video's rows resemble each other
    can: the similarity of rows up to LAGS apart is correlated between the two sides, under each
    shift. Returns the correlation at the best shift, its excess over the best other shift, and
    the shift. Rows must be equally far apart on both sides.
    """
    scores = dict.fromkeys(sorted(range(-MAX_SHIFT, MAX_SHIFT + 1), key=abs), 0.0)
    for name in a:
        ours, theirs = _self_similarity(a[name]), _self_similarity(b[name])
        for shift in scores:
            scores[shift] += _correlation_over_time(ours, theirs, shift) / len(a)
    best = max(scores, key=scores.get)
    others = [value for shift, value in scores.items() if shift != best]
    return scores[best], scores[best] - max(others), best


def summarize_comparison(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return (figure, value) pairs over all rows; the causes by number of videos."""
    aligned = [row for row in rows if "rate" in row]
    lines = [
        ("videos compared", str(len(rows))),
        ("of equal length", str(sum(row["rows_a"] == row["rows_b"] for row in rows))),
        ("length b / a, median", f"{np.median([r['rows_b'] / r['rows_a'] for r in rows]):.3f}"),
    ]
    for key in aligned[0] if aligned else ():
        if key.startswith(("cosine_", "match_", "scale_")):
            values = np.array([row[key] for row in aligned])
            low, middle = np.percentile(values, [5, 50])
            lines.append((f"{key.replace('_', ' ')}, median (5 %)", f"{middle:.4f} ({low:.4f})"))
    causes = Counter(cause for row in rows for cause in row["causes"].split("; "))
    return lines + [(cause, f"{count} videos") for cause, count in causes.most_common()]


def _find_causes(a: Streams, b: Streams, row: Mapping[str, Any], found: Alignment) -> list[str]:
    causes = []
    if found.swapped:
        causes.append("stream order: rgb of one is flow of the other")
    lows = [min(float(array.min()) for array in side.values()) for side in (a, b)]
    if (lows[0] < 0) != (lows[1] < 0):
        causes.append(f"ReLU: only {'a' if lows[0] < 0 else 'b'} has negative values")
    unit = [all(np.allclose(_norms(x), 1, atol=1e-3) for x in side.values()) for side in (a, b)]
    scales = [row[f"scale_{name}"] for name in a]
    matches = {name: row[f"match_{name}"] for name in a}
    if unit[0] != unit[1]:
        causes.append(f"L2: the rows of {'a' if unit[0] else 'b'} have length 1")
    elif min(matches.values()) > 0.99 and any(abs(s - 1) > 0.1 for s in scales):
        causes.append("scale: alike but for a factor")
    if flat := _find_flat(a, b):
        return [f"scaled twice: the rows of {flat} hardly change over time"]
    if float(np.mean(list(matches.values()))) < ALIKE:
        unaligned = "no alignment: other network, weights, video or sampling"
        return [*causes, unaligned, _time_cause(a, b)]
    causes += _find_time_causes(row, found)
    causes += _find_rounding(a, b, found) if not causes else []
    other = [name for name, match in matches.items() if match < SAME]
    if other and not causes:
        causes.append(_input_cause(other, list(a)))
    return causes or ["the same"]


def _input_cause(other: Sequence[str], streams: Sequence[str]) -> str:
    """Which input differs: of all streams as a crop does, or of one alone."""
    if len(other) == len(streams):
        return "crop, resize, interpolation, decoder or frame offset: alike, not equal"
    if other == ["flow"]:
        return "input of flow alone: sign, scale, x and y, algorithm"
    if other == ["rgb"]:
        return "input of rgb alone: order of colours, scaling"
    return f"input of {', '.join(other)} alone: alike, not equal"


def _find_flat(a: Streams, b: Streams) -> str:
    """Which side's rows all but stand still while the other's change; empty for neither."""
    spread = [
        [float(x.std(0).mean()) / max(float(np.abs(x).mean()), 1e-12) for x in side.values()]
        for side in (a, b)
    ]
    for flat, other, name in ((0, 1, "a"), (1, 0, "b")):
        if all(x < FLAT * y for x, y in zip(spread[flat], spread[other], strict=True)):
            return name
    return ""


def _find_rounding(a: Streams, b: Streams, found: Alignment) -> list[str]:
    """Whether one side has the other's numbers in half precision."""
    if any(len(a[name]) != len(b[name]) for name in a) or found.swapped:
        return []
    for name, exact, rounded in (("b", a, b), ("a", b, a)):
        halves = {key: exact[key].astype(np.float16).astype(np.float32) for key in exact}
        if all(np.array_equal(halves[key], rounded[key]) for key in exact) and any(
            not np.array_equal(halves[key], exact[key]) for key in exact
        ):
            return [f"float16: {name} has the numbers of the other in half precision"]
    return []


def _confidence(
    a: Streams, b: Streams, row: Mapping[str, Any], found: Alignment, causes: Sequence[str]
) -> float:
    """Return the share of the plain comparison's misfit that the alignment explains, 0..1."""
    certain = ("the same", "float16", "L2", "scale", "ReLU")
    if any(cause.startswith(certain) for cause in causes) and found == replace(
        Alignment(0), match=found.match
    ):
        return 1.0
    match = float(np.mean([row[f"match_{name}"] for name in a]))
    length = min(len(next(iter(side.values()))) for side in (a, b))
    plain = float(np.mean([match_rows(a[name][:length], b[name][:length]) for name in a]))
    return float(np.clip((match - plain) / max(1 - plain, 1e-9), 0, 1))


def _time_cause(a: Streams, b: Streams) -> str:
    """Whether two sides of different networks, of equal length, show the same times."""
    rows_a, rows_b = (len(next(iter(side.values()))) for side in (a, b))
    if abs(rows_a - rows_b) > 1 or min(rows_a, rows_b) < LEAST_ROWS:
        return "time not compared: the lengths differ or are short"
    match, excess, shift = align_time(a, b)
    if match < ALIKE or excess < BETTER:
        return f"time unknown: the rows change differently ({match:.2f})"
    moved = "same time" if not shift else f"time shift: b is {_off(shift)}"
    return f"{moved}, as the rows change alike"


def _off(rows: int) -> str:
    return f"{abs(rows)} rows {'late' if rows > 0 else 'early'}"


def _find_time_causes(row: Mapping[str, Any], found: Alignment) -> list[str]:
    causes = []
    near = min((1.0, *RATES), key=lambda rate: abs(rate - found.rate))
    if abs(found.rate / near - 1) > 0.015:
        causes.append(f"sampling: {found.rate:.2f} rows of b for one of a")
    elif near in (2.0, 4.0, 1 / 2, 1 / 4):
        causes.append(f"stride: {near:g} rows of b for one of a")
    elif near != 1:
        rates = {6 / 5: (25, 30), 5 / 4: (24, 30), 25 / 24: (24, 25)}
        one, other = rates[near] if near in rates else rates[1 / near][::-1]
        causes.append(f"frame rate: as if a had {one} and b {other} frames per second")
    elif abs(row["rows_a"] - row["rows_b"]) > 0:
        causes.append("tail: the number of rows at the end differs")
    if found.shift:
        causes.append(f"time shift: b is {_off(found.shift)}")
    return causes


def _trials(ratio: float, swapped: bool) -> Iterator[Alignment]:
    """Alignments to try, the simplest first, as a later one must match better by BETTER."""
    for rate in (*RATES, ratio):
        for shift in sorted(range(-MAX_SHIFT, MAX_SHIFT + 1), key=abs):
            yield Alignment(0.0, rate, shift, swapped)


def _has_swappable_streams(streams: Streams) -> bool:
    return {"rgb", "flow"} <= set(streams) and streams["rgb"].shape == streams["flow"].shape


def _partners(names: list[str], swapped: bool) -> dict[str, str]:
    other = {"rgb": "flow", "flow": "rgb"} if swapped else {}
    return {name: other.get(name, name) for name in names}


def _overlap(rows_a: int, rows_b: int, found: Alignment) -> tuple[np.ndarray, np.ndarray]:
    """Indices of rows of a and of the corresponding rows of b."""
    ours = np.arange(rows_a)
    theirs = np.rint((ours + 0.5) * found.rate - 0.5).astype(np.int64) + found.shift
    inside = (theirs >= 0) & (theirs < rows_b)
    return ours[inside], theirs[inside]


def _similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Centred cosines of the first rows of each: `[rows of a, rows of b]`."""
    return _unit(_centred(a[:MAX_ROWS])) @ _unit(_centred(b[:MAX_ROWS])).T


def _self_similarity(rows: np.ndarray) -> np.ndarray:
    """Centred cosine of each row with the LAGS rows after it: `[LAGS, T]`, NaN beyond the end."""
    unit = _unit(_centred(rows[:MAX_ROWS]))
    found = np.full((LAGS, len(unit)), np.nan)
    for lag in range(1, min(LAGS, len(unit) - 1) + 1):
        found[lag - 1, :-lag] = (unit[:-lag] * unit[lag:]).sum(1)
    return found


def _correlation_over_time(a: np.ndarray, b: np.ndarray, shift: int) -> float:
    """Correlation of two self-similarities, row l of `a` with row l + `shift` of `b`."""
    a, b = (a, b[:, shift:]) if shift >= 0 else (a[:, -shift:], b)
    length = min(a.shape[1], b.shape[1])
    pair = np.stack([a[:, :length].ravel(), b[:, :length].ravel()])
    pair = pair[:, np.isfinite(pair).all(0)]
    return float(np.corrcoef(pair)[0, 1]) if (pair.std(1) > 0).all() else 0.0


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Mean cosine of paired rows."""
    return float((_unit(a) * _unit(b)).sum(1).mean()) if len(a) else 0.0


def match_rows(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean centred cosine of paired rows.

    It is the plain one if neither stream ever changes, as in silence.
    """
    if not (_is_constant(a) and _is_constant(b)):
        return _cosine(_centred(a), _centred(b))
    return _cosine(a, b) if a.any() or b.any() else 1.0


def _is_constant(rows: np.ndarray) -> bool:
    return bool(_norms(_centred(rows)).max(initial=0) <= 1e-5 * _norms(rows).max(initial=0))


def _centred(rows: np.ndarray) -> np.ndarray:
    return rows - rows.mean(0) if len(rows) > 1 else rows


def _norms(rows: np.ndarray) -> np.ndarray:
    return np.linalg.norm(rows, axis=1)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(_norms(rows), 1e-12)[:, None]
