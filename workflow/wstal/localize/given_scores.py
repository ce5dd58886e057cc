"""Scores that another tool made: arrays per video in .npy, .npz, HDF5 or JSON, as `Scores`.

Each array belongs to a video and has a name: `cas`, `attention`, `video_score` or
`attention_{stream}`. Video and name are the last two parts of its place in a file
(`{video}/cas`), of its file's name (`{video}_cas.npy`), or of its folder (`cas/{video}.npy`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import unquote
from zipfile import BadZipFile

import h5py
import numpy as np

from wstal.base.errors import WstalError
from wstal.base.hdf5_files import checked_dataset, open_hdf5
from wstal.base.text_files import read_json
from wstal.base.user_files import check_archive, open_regular
from wstal.localize.scores import Activation, Scores, VideoScores, read_scores, softmax

Background = Literal["last", "first", "none"]  # which column of `cas` is the background's
BACKGROUNDS = get_args(Background)
OWN = ("cas", "attention", "video_score")
STREAM = "attention_"
SUFFIXES = (".npy", ".npz", ".h5", ".hdf5", ".json")
FAR = 50.0  # below all logits: a background that is never likely
Arrays = dict[str, np.ndarray]


def read_given_scores(
    path: str | Path,
    classes: Sequence[str],
    *,
    names: Mapping[str, str] | None = None,
    activation: Activation = "logits",
    background: Background = "last",
    step: float = 0.64,
    t0: float = 0.0,
) -> tuple[Scores, list[str]]:
    """Read the scores in a file or a folder; return them with notes on what was completed.

    A score file of this project is read as it is. Of any other, `classes` are the names of the
    columns of `cas`; `names` maps a tool's names of arrays to `cas`, `attention` and so on.
    `cas` is `[T, C+1]`, or `[T, C]` without background; a leading axis of length 1 is dropped.
    Without `attention` it is 1 everywhere; without `video_score` it is the mean of the strongest
    eighth of the snippets, as in training. Raises WstalError that names file, video, array and
    shape for what does not fit.
    """
    path = Path(path)
    if path.is_file() and _is_score_file(path):
        return read_scores(path), []
    videos: dict[str, Arrays] = {}
    unknown = []
    for parts, array in _arrays(path):
        video, name = _place(parts, names or {})
        if not video:
            unknown.append("/".join(parts))
        elif name in videos.setdefault(video, {}):
            raise WstalError(f"{path}: video {video} has two arrays {name}; remove one of them")
        else:
            videos[video][name] = array
    if not videos:
        found = f"; it has {', '.join(unknown[:5])}" if unknown else ""
        raise WstalError(
            f"{path} has no array named cas or attention of a video{found}. Name the arrays "
            "{video}/cas or {video}_cas, or say what they are called (names)"
        )
    made = {
        v: _video(path, v, arrays, classes, activation, background) for v, arrays in videos.items()
    }
    notes = [f"{len(unknown)} arrays are not used, such as {unknown[0]}"] if unknown else []
    for name, instead in (
        ("attention", "an attention of 1"),
        ("video_score", "the mean of the strongest eighth of the snippets"),
    ):
        if lacking := [video for video, arrays in videos.items() if name not in arrays]:
            notes.append(f"{len(lacking)} videos have no {name}: {instead} takes its place")
    about = {"given": str(path), "activation": activation, "background": background}
    return Scores(list(classes), made, activation, 0, t0, step, about), notes


def _is_score_file(path: Path) -> bool:
    if path.suffix not in (".h5", ".hdf5"):
        return False
    with open_hdf5(path) as file:
        return "classes_json" in file.attrs


def _arrays(path: Path) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    """Yield the place of each array, as parts, and the array."""
    if not path.is_dir():
        if path.suffix == ".npy":
            raise WstalError(
                f"{path} holds one array; name the folder of all {{video}}_cas.npy files instead"
            )
        yield from _arrays_of_file(path)
        return
    for file in sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES):
        place = tuple(map(unquote, file.relative_to(path).with_suffix("").parts))
        for parts, array in _arrays_of_file(file):
            yield place + parts, array


def _arrays_of_file(path: Path) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    try:
        match path.suffix:
            case ".npy":
                with open_regular(path) as file:
                    yield (), np.load(file, allow_pickle=False)
            case ".npz":
                check_archive(path)
                with open_regular(path) as file, np.load(file, allow_pickle=False) as arrays:
                    for key in arrays.files:
                        yield tuple(key.split("/")), arrays[key]
            case ".h5" | ".hdf5":
                with open_hdf5(path) as file:
                    yield from _arrays_of_group(file)
            case ".json":
                yield from _arrays_of_mapping(read_json(path, "scores as JSON"))
            case other:
                raise WstalError(
                    f"{path}: {other or 'a file without extension'} is not one of "
                    f"{', '.join(SUFFIXES)}"
                )
    except (OSError, ValueError, EOFError, BadZipFile, MemoryError, RecursionError) as error:
        raise WstalError(f"{path} cannot be read as {path.suffix}: {error}") from error


def _arrays_of_group(
    group: h5py.Group, place: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    for key, item in group.items():
        if isinstance(item, h5py.Group):
            yield from _arrays_of_group(item, (*place, str(item.attrs.get("id", key))))
        else:
            yield (*place, key), np.asarray(checked_dataset(group, key)[()])


def _arrays_of_mapping(
    content: Any, place: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    if not isinstance(content, Mapping):
        raise ValueError('expected {"video": {"cas": [[...], ...], "attention": [...]}}')
    for key, item in content.items():
        if isinstance(item, Mapping):
            yield from _arrays_of_mapping(item, (*place, key))
        else:
            yield (*place, key), np.asarray(item)


def _place(parts: tuple[str, ...], names: Mapping[str, str]) -> tuple[str, str]:
    """Return the video and the name of an array; ("", "") for an array of another kind."""
    if not parts:
        return "", ""
    *before, last = parts
    if (name := names.get(last, last)) and _is_known(name):
        return (before[-1] if before else ""), name
    for called in sorted({*OWN, *names, *_streams(last)}, key=len, reverse=True):
        for separator in "_-":
            if last.endswith(separator + called) and _is_known(names.get(called, called)):
                return last.removesuffix(separator + called), names.get(called, called)
    if before and _is_known(name := names.get(before[-1], before[-1])):
        return last, name
    return "", ""


def _streams(text: str) -> list[str]:
    """The end of a name from its last `attention_` on: an attention of a stream."""
    place = text.rfind(STREAM)
    return [text[place:]] if place > 0 and place + len(STREAM) < len(text) else []


def _is_known(name: str) -> bool:
    return name in OWN or (name.startswith(STREAM) and name != STREAM)


def _video(
    path: Path,
    video: str,
    arrays: Arrays,
    classes: Sequence[str],
    activation: Activation,
    background: Background,
) -> VideoScores:
    def refuse(name: str, wanted: str, hint: str = "") -> WstalError:
        shape = list(arrays[name].shape)
        return WstalError(
            f"{path}: video {video}: {name} has the shape {shape}; expected {wanted}{hint}"
        )

    for name, array in arrays.items():
        where = f"{path}: video {video}: {name}"
        if array.dtype.kind not in "fiu":
            raise WstalError(f"{where} holds {array.dtype}, not numbers")
        if not np.isfinite(array).all():
            raise WstalError(f"{where} has values that are not finite")
    if "cas" not in arrays:
        raise WstalError(f"{path}: video {video} has no array cas; it has {', '.join(arrays)}")
    count = len(classes)
    columns = count + (background != "none")
    cas = arrays["cas"]
    while cas.ndim > 2 and cas.shape[0] == 1:
        cas = cas[0]
    if cas.ndim != 2 or cas.shape[1] != columns or not len(cas):
        what = f"{count} classes" + (" and background" if background != "none" else "")
        hint = ""
        if cas.ndim == 2 and cas.shape[0] == columns:
            hint = ": is it transposed?"
        elif cas.ndim == 2 and cas.shape[1] in (count, count + 1):
            hint = f": is the background {'none' if background != 'none' else 'last or first'}?"
        raise refuse("cas", f"[T, {columns}] for {what}", hint)
    cas = _background_last(cas.astype(np.float32), activation, background)
    lines = {}
    for name in (n for n in arrays if n == "attention" or n.startswith(STREAM)):
        lines[name] = arrays[name].astype(np.float32)
        if lines[name].size != len(cas) or max(lines[name].shape, default=0) != len(cas):
            raise refuse(name, f"[{len(cas)}], as cas has {len(cas)} rows")
        lines[name] = lines[name].reshape(-1)
    attention = lines.pop("attention", np.ones(len(cas), np.float32))
    if "video_score" in arrays:
        score = arrays["video_score"].astype(np.float32).reshape(-1)
        if len(score) not in (count, columns):
            raise refuse("video_score", f"[{count}]")
        if len(score) > count:
            score = score[1:] if background == "first" else score[:-1]
    else:
        score = _video_score(cas, activation)
    named = {name.removeprefix(STREAM): line for name, line in lines.items()}
    return VideoScores(cas, attention, score, named)


def _background_last(cas: np.ndarray, activation: Activation, background: Background) -> np.ndarray:
    if background == "first":
        return np.roll(cas, -1, axis=1)
    if background == "none":
        never = cas.min() - FAR if activation == "logits" else 0
        return np.column_stack([cas, np.full(len(cas), never, np.float32)])
    return cas


def _video_score(cas: np.ndarray, activation: Activation) -> np.ndarray:
    """Return the probability of each class `[C]`, from the mean of its strongest T / 8 snippets."""
    strongest = np.sort(cas, axis=0)[-len(cas) // 8 :]
    mean = strongest.mean(0)
    score = softmax(mean) if activation == "logits" else mean
    return score[:-1].astype(np.float32)
