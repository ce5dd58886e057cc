"""Detections to numbers; needs neither torch nor media libraries.

Read ground_truth.py and detections.py (input), matching.py and average_precision.py
(`detection_map`), protocols.py (the conventions), events.py (accuracy per second). From one seed to
the headline: map_table.py, summary.py. Beside them: baselines.py, bootstrap.py
(comparisons), diagnosis.py (kinds of errors), wtalc.py (the other evaluator).

Imports only base.
"""

from wstal.evaluate.average_precision import detection_map
from wstal.evaluate.events import event_accuracy

__all__ = ["detection_map", "event_accuracy"]
