"""Detections to numbers; needs neither torch nor media libraries.

Read ground_truth.py and detections.py (input), average_precision.py
(`detection_map`), ties.py (equal scores), protocols.py (the conventions), events.py (accuracy per
second). From one seed to the headline: map_table.py, summary.py. Beside them: baselines.py,
bootstrap.py (comparisons), diagnosis.py (kinds of errors), calibration.py (probabilities),
suggestions.py (what to annotate next), wtalc.py (the other evaluator).

Imports only base.
"""

from importlib import import_module
from typing import Any

_MODULES = {"detection_map": "average_precision", "event_accuracy": "events"}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    # By name, so that reading detections imports no scoring and has none in its code digest.
    # Inside the package import them from their own modules.
    if name in _MODULES:
        return getattr(import_module(f"wstal.evaluate.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
