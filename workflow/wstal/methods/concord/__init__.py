"""Concord: a student that several finished runs teach by what they agree on.

A method of this project; no paper publishes it. The runs that `teachers` names score the training
videos. Where their evidence for a class of the video agrees, the student learns to find that class
and its boundaries; it is scored without them. docs/concord.md says what it takes from whom.

Read network.py (a pyramid with a class and a boundary head per level), targets.py (evidence of the
teachers to soft targets), loss.py, localize.py.
"""
