"""Where mAP is lost, following DETAD (Alwassel et al., ECCV 2018).

False positives are sorted into five kinds, with the mAP gained if each kind is removed. Instances
are binned by length, by share of the video and by how many the video has, with the AP and the
share of missed instances per bin.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from wstal.base.errors import WstalError
from wstal.evaluate.average_precision import Matches, class_mean, interpolated_ap, match, match_ap
from wstal.evaluate.protocols import Prepared, Protocol

ERRORS = ("double_detection", "localization", "wrong_label", "confusion", "background")
KINDS = ("true_positive", *ERRORS)
FLOOR = 0.1  # tIoU below which a prediction is unrelated to an instance
BINS = ("XS", "S", "M", "L", "XL")
MULTIPLES = 10  # the error profile covers the best 10 G predictions, G instances


def diagnose(
    prepared: Prepared, protocol: Protocol, durations: dict[str, float], tiou: float = 0.5
) -> dict[str, pd.DataFrame]:
    """Return all tables by name: false_positives, error_impact, sensitivity, per_class.

    `durations` of videos are in seconds. Raises WstalError if no scored video has segments.
    """
    if not len(prepared.ground_truth):
        raise WstalError("no scored video has annotated segments: there is nothing to diagnose")
    scale = 1.0 if protocol.units == "seconds" else protocol.snippets_per_second
    durations = {video: seconds * scale for video, seconds in durations.items()}
    return {
        "false_positives": false_positives(prepared, tiou),
        "error_impact": error_impact(prepared, protocol.tious),
        "sensitivity": sensitivity(prepared, protocol.tious, durations),
        "per_class": per_class(prepared, protocol.tious),
    }


def error_kinds(prepared: Prepared, matches: Matches, level: int) -> np.ndarray:
    """Return the index into KINDS of each prediction, `[N]` in the order of `matches`.

    Let t be the best tIoU with an instance of the prediction's own class, o that with an instance
    of any other class, and a the threshold. The first of these that holds decides: a hit is a true
    positive; t >= a is a double detection; t >= FLOOR a localization error; o >= a a wrong label;
    o >= FLOOR a confusion; the rest is background.
    """
    tiou = matches.tious[level]
    ranked = prepared.predictions.iloc[matches.order]
    own = _best_overlap(prepared.ground_truth, ranked, same_label=True)
    other = _best_overlap(prepared.ground_truth, ranked, same_label=False)
    conditions = [matches.hits[level], own >= tiou, own >= FLOOR, other >= tiou, other >= FLOOR]
    return np.select(conditions, range(5), default=5)


def false_positives(prepared: Prepared, tiou: float) -> pd.DataFrame:
    """Return the share (percent) of each kind among the best G, 2G ... 10G predictions.

    Columns kind, top (multiples of G), share, count. G is the number of instances of a class. The
    best are taken per class, as scores of different classes are not comparable.
    """
    matches = match(prepared.ground_truth, prepared.predictions, [tiou], prepared.classes)
    kinds = error_kinds(prepared, matches, 0)
    instances = matches.instances.sum(axis=0)
    rank = np.arange(len(kinds)) - np.searchsorted(matches.label, matches.label)
    rows = []
    for top in range(1, MULTIPLES + 1):
        counts = np.bincount(kinds[rank < top * instances[matches.label]], minlength=len(KINDS))
        total = max(int(counts.sum()), 1)
        rows += [
            {"kind": kind, "top": top, "share": 100 * count / total, "count": int(count)}
            for kind, count in zip(KINDS, counts, strict=True)
        ]
    return pd.DataFrame(rows)


def error_impact(prepared: Prepared, tious: tuple[float, ...]) -> pd.DataFrame:
    """Return the mAP (percent, mean over `tious`) gained by removing each kind of error.

    Columns kind, map_gain; the row `none` holds the mAP itself.
    """
    matches = match(prepared.ground_truth, prepared.predictions, tious, prepared.classes)
    base = float(class_mean(match_ap(matches)).mean())
    kinds = [error_kinds(prepared, matches, level) for level in range(len(tious))]
    rows = [{"kind": "none", "map_gain": 100 * base}]
    for index, kind in enumerate(ERRORS, 1):
        ap = np.full((len(tious), len(matches.classes)), np.nan)
        for level, found in enumerate(kinds):
            for column, count in enumerate(matches.instances.sum(axis=0)):
                rows_here = matches.class_slice(column)
                kept = found[rows_here] != index
                hits = matches.hits[level : level + 1, rows_here][:, kept]
                neutral = matches.neutral[rows_here][kept]
                ap[level, column] = interpolated_ap(hits, count, neutral)[0]
        gain = float(class_mean(ap).mean()) - base
        rows.append({"kind": kind, "map_gain": 100 * gain})
    return pd.DataFrame(rows)


def characteristics(prepared: Prepared, durations: dict[str, float]) -> pd.DataFrame:
    """Return for each instance its length, coverage and number of instances.

    `coverage` is its share of the video in percent (NaN if the duration is unknown; the column is
    missing if all are), `instances` how many of its class the video has.
    """
    truth = prepared.ground_truth
    length = truth["t_end"] - truth["t_start"]
    coverage = 100 * length / truth["video_id"].map(durations).astype(float)
    instances = truth.groupby(["video_id", "label"])["label"].transform("count")
    values = {"length": length, "coverage": coverage, "instances": instances}
    return pd.DataFrame({name: value for name, value in values.items() if value.notna().any()})


def sensitivity(
    prepared: Prepared, tious: tuple[float, ...], durations: dict[str, float]
) -> pd.DataFrame:
    """Return AP and misses per bin of every characteristic.

    Bins XS to XL are fifths of the ground truth itself, so that no bin is empty on any dataset.
    Columns characteristic, bin, range, instances, map (percent, mean over `tious` and classes,
    with normalised precision so that bins of unequal size are comparable), missed (percent of the
    bin's instances that no prediction hits at `tious[0]`). Predictions that hit instances of
    other bins are ignored. The row of characteristic `all` is the reference.
    """
    matches = match(prepared.ground_truth, prepared.predictions, tious, prepared.classes)
    truth, values = prepared.ground_truth, characteristics(prepared, durations)
    label = pd.Index(prepared.classes).get_indexer(truth["label"])
    normalizer = len(truth) / max(len(np.unique(label)), 1)
    found = np.zeros(len(truth), dtype=bool)
    found[matches.matched[0][matches.hits[0]]] = True
    groups = [("all", "all", "", np.ones(len(truth), dtype=bool))]
    for name, value in values.items():
        codes = _bin_by_fifths(value)
        for code in range(codes.max() + 1):
            inside = codes == code
            size = BINS[round(code * (len(BINS) - 1) / max(codes.max(), 1))]
            span = f"{value[inside].min():.3g} to {value[inside].max():.3g}"
            groups.append((name, size, span, inside))
    rows = []
    for name, size, span, inside in groups:
        ap = _subset_ap(matches, label, inside, normalizer)
        missed = float(1 - found[inside].mean()) if inside.any() else np.nan
        rows.append(
            {
                "characteristic": name,
                "bin": size,
                "range": span,
                "instances": int(inside.sum()),
                "map": 100 * float(class_mean(ap).mean()),
                "missed": 100 * missed,
            }
        )
    return pd.DataFrame(rows)


def per_class(prepared: Prepared, tious: tuple[float, ...]) -> pd.DataFrame:
    """Return AP (percent, mean over `tious`): columns class, instances, predictions, ap."""
    matches = match(prepared.ground_truth, prepared.predictions, tious, prepared.classes)
    counts = np.bincount(matches.label, minlength=len(matches.classes))
    frame = pd.DataFrame(
        {
            "class": matches.classes,
            "instances": matches.instances.sum(axis=0),
            "predictions": counts,
            "ap": 100 * match_ap(matches).mean(axis=0),
        }
    )
    return frame[frame["instances"] > 0].reset_index(drop=True)


def _subset_ap(
    matches: Matches, label: np.ndarray, inside: np.ndarray, normalizer: float
) -> np.ndarray:
    """AP `[I, C]` if only the instances `inside` are sought and hits of others are ignored."""
    positives = np.bincount(label[inside], minlength=len(matches.classes))
    ap = np.full((len(matches.tious), len(matches.classes)), np.nan)
    sought = np.append(inside, False)[matches.matched]  # -1 reads the appended False
    elsewhere = matches.hits & ~sought
    for column, count in enumerate(positives):
        rows = matches.class_slice(column)
        for level in range(len(matches.tious)):
            ignored = matches.neutral[rows] | elsewhere[level, rows]
            hits = sought[level : level + 1, rows]
            ap[level, column] = interpolated_ap(hits, count, ignored, normalizer)[0]
    return ap


def _bin_by_fifths(values: pd.Series) -> np.ndarray:
    """The fifth in which each value lies; fewer bins if values repeat; -1 for NaN."""
    if values.nunique() < 2:
        return np.where(values.notna(), 0, -1)
    return pd.qcut(values, len(BINS), labels=False, duplicates="drop").fillna(-1).to_numpy(int)


def _best_overlap(
    truth: pd.DataFrame, predictions: pd.DataFrame, *, same_label: bool
) -> np.ndarray:
    """The best tIoU of each prediction with an instance of its video, of its label or of others."""
    best = np.zeros(len(predictions))
    spans = predictions[["t_start", "t_end"]].to_numpy(float)
    labels = predictions["label"].to_numpy()
    rows = predictions.reset_index(drop=True).groupby("video_id").indices
    for item in truth.itertuples(index=False):
        here = rows.get(item.video_id, np.empty(0, dtype=int))
        here = here[(labels[here] == item.label) == same_label]
        start, end = spans[here].T
        shared = np.minimum(end, item.t_end) - np.maximum(start, item.t_start)
        shared = shared.clip(min=0)
        union = (end - start) + (item.t_end - item.t_start) - shared
        overlap = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
        best[here] = np.maximum(best[here], overlap)
    return best
