"""Evaluation of detections and of per-second events; needs neither torch nor media libraries."""

from wstal.evaluate.average_precision import detection_map
from wstal.evaluate.events import event_accuracy

__all__ = ["detection_map", "event_accuracy"]
