"""The schedule of own videos: the section `fit` of a method's YAML, filled in from the labels.

A paper's schedule was made for one set. A dataset of kind `folder` has a schedule of its own
instead, computed before any job from what its labels say: how many videos train, of how many
classes; and from the share of a video that is action, where the dataset's YAML states it
(`action_share`). What depends on the length of the videos, which is known once their features are
there, is decided by training (`data.fit_length`). docs/own_data.md states the rules,
benchmarks/studies/own_schedule.py compares them with the best schedule of simulated sets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from wstal.base.errors import WstalError
from wstal.config.dataset_files import Dataset, own_annotations
from wstal.config.layers import merged

SCORINGS = 5  # of the videos to score, in a training
LOG_ROWS = 20  # in log.csv
TRAINING = ("iterations", "epochs")  # how long a run trains
GROWTH, BOUNDS = ("root", "per_class"), ("least", "most")  # keys of `fit.updates`
RULES = ("updates", "action_share")  # keys of `fit` that are no settings themselves
LEAST_BACKGROUND = 0.05  # with 0 nothing makes a snippet background


class LabelCounts(NamedTuple):
    """Videos that train, the classes that they have, and whether two of them share one."""

    videos: int
    classes: int
    pairs: bool


def label_counts(name: str, dataset: Dataset) -> LabelCounts | None:
    """Return what the labels of own videos say; None for other kinds, and without sound labels.

    Wrong labels end a run at its first jobs, with the reason.
    """
    if dataset["kind"] != "folder":
        return None
    try:
        annotations = own_annotations(name, dataset)
    except (WstalError, OSError):
        return None
    videos = annotations.ids("train")
    members = annotations.label_matrix(videos).sum(0)
    return LabelCounts(len(videos), int((members > 0).sum()), bool((members > 1).any()))


def fitted(
    model: Mapping[str, Any],
    counts: LabelCounts,
    later: Mapping[str, Any],
    action_share: float | None = None,
) -> dict[str, Any]:
    """Return the overlay of a method's YAML for a set of own videos; {} without a section `fit`.

    `later` is what is laid over it: if it says how long to train, the overlay does not.
    """
    fit = model.get("fit")
    if not fit:
        return {}
    overlay = {key: dict(part) for key, part in fit.items() if key not in RULES}
    if action_share is not None:
        overlay = merged(overlay, shared(fit.get("action_share") or {}, action_share))
    updates = fitted_updates(fit["updates"], counts.videos, counts.classes)
    data, train = overlay.setdefault("data", {}), overlay.setdefault("train", {})
    own = {**model.get("data", {}), **data}
    data["batch"] = max(min(own["batch"], counts.videos), 1)
    if own.get("pairs"):
        data["pairs"] = min(own["pairs"], data["batch"] // 2) if counts.pairs else 0
    if not any((later.get("train") or {}).get(key) for key in TRAINING):
        train |= {"iterations": updates, "epochs": None}
        train["score_interval"] = math.ceil(updates / SCORINGS)
        train["log_interval"] = math.ceil(updates / LOG_ROWS)
    return overlay


def fitted_updates(rule: Mapping[str, float], videos: int, classes: int) -> int:
    """Return `root` times the square root of the videos that train, or `per_class` times classes.

    At least `least` and at most `most`.
    """
    updates = rule.get("root", 0) * math.sqrt(videos) + rule.get("per_class", 0) * classes
    return round(min(max(updates, rule["least"]), rule["most"]))


def shared(rule: Mapping[str, Any], share: float) -> dict[str, Any]:
    """Return the settings that follow from the share of a video that is action.

    `rule` names them by their paths: under `divisors` those of a top-k, which takes a video's
    T / divisor strongest rows; under `background` the weight of background as a target.
    """
    values = dict.fromkeys(rule.get("divisors", ()), max(round(1 / share), 1))
    if "background" in rule:
        values[rule["background"]] = max(round(1 - share, 6), LEAST_BACKGROUND)
    settings: dict[str, Any] = {}
    for path, value in values.items():
        for key in reversed(path.split(".")):
            value = {key: value}
        settings = merged(settings, value)
    return settings


def check_fit(fit: Any, source: str) -> None:
    """Raise WstalError unless a section `fit` has `updates` with one of GROWTH and the BOUNDS.

    Its `action_share`, if there is one, names settings (`shared`).
    """
    bounds = fit.get("updates") if isinstance(fit, Mapping) else None
    if (
        not isinstance(bounds, Mapping)
        or set(bounds) not in [{key, *BOUNDS} for key in GROWTH]
        or not all(isinstance(each, int | float) and each >= 0 for each in bounds.values())
        or not 1 <= bounds["least"] <= bounds["most"]
    ):
        raise WstalError(
            f"{source}: fit.updates is {bounds!r}; expected {{root: R, least: L, most: M}} with "
            "numbers and 1 <= L <= M: R times the square root of the training videos, from L to M; "
            "or per_class in place of root: so many for each of their classes"
        )
    rule = fit.get("action_share") or {}
    if (
        not isinstance(rule, Mapping)
        or not set(rule) <= {"divisors", "background"}
        or not isinstance(rule.get("divisors", []), list)
        or not all(isinstance(each, str) for each in rule.get("divisors", []))
        or not isinstance(rule.get("background", ""), str)
    ):
        raise WstalError(
            f"{source}: fit.action_share is {rule!r}; expected the paths of settings, as in "
            "{divisors: [loss.topk], background: loss.mil_background}"
        )
