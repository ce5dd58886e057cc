"""Figures: over_time.py (videos over time, of one run or several), diagnosis.py (errors),
feature_comparison.py (two feature files); style.py is shared by all.

Imports only base, localize and evaluate.
"""
