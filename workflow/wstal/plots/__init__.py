"""Figures: timeline.py (one video), strips.py (several runs), diagnosis.py (errors),
feature_comparison.py (two feature files); style.py is shared by all.

Imports only base, localize and evaluate.
"""
