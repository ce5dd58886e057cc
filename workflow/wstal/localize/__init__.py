"""Scores to segments: the parts that more than one method's localization uses.

Read scores.py (the score files), segments.py (runs of snippets, their scores, and the suppression
of overlaps), proposals.py (proposals.json; one class per second).

Imports only base.
"""
