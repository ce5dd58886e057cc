"""Figures: over_time.py (videos over time, of one run or several), sweep.py (a metric over the
values of a setting), diagnosis.py (errors of detections; two feature files side by side); style.py
is shared by all.

Imports only base, localize and evaluate.
"""
