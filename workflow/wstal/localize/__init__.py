"""Scores to segments: the parts that more than one method's localization uses.

Read scores.py (the score files), segments.py (runs of snippets), outer_inner.py (scoring), nms.py
(suppression), proposals.py (proposals.json), events.py (one class per second).

Imports only base.
"""
