"""Figures: over_time.py (the style of all, then videos over time, of one run or several),
diagnosis.py (errors of detections; two feature files side by side).

Imports only base, localize and evaluate.
"""
