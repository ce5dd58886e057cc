"""One spelling for metrics: the papers' tables and our result files are joined on it."""

from __future__ import annotations

import re

from wstal.errors import WstalError

AVERAGE = re.compile(r"(?:AVG\(|mAP@)([0-9.]+):(?:[0-9.]+:)?([0-9.]+)\)?\Z")
SINGLE = re.compile(r"mAP@([0-9.]+)\Z")


def metric_name(text: str) -> str:
    """`mAP@0.5` -> `mAP@0.50`; `AVG(0.5:0.05:0.95)` -> `mAP@0.5:0.95`; accuracies -> `accuracy`.

    Raises WstalError for a spelling that is not known.
    """
    text = text.strip()
    if match := AVERAGE.match(text):
        return f"mAP@{float(match[1]):g}:{float(match[2]):g}"
    if match := SINGLE.match(text):
        return f"mAP@{float(match[1]):.2f}"
    if text == "AVG":  # the papers write so for ActivityNet alone
        return "mAP@0.5:0.95"
    if text.startswith("MFLOPs") or text == "mmacs":
        return "mmacs"
    if text in ("accuracy", "video_mAP"):
        return text
    if text.startswith("accuracy("):
        return "accuracy" if "weakly" in text else text
    raise WstalError(f"metric {text!r} is spelled in a way that is not known here")
