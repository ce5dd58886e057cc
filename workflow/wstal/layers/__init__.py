"""Layers that more than one method uses; sequences are time-major, `[B, T, D]`.

attention.py (how much of the foreground a snippet is), convolution.py (over time, with faster
routes on a CPU) and dropout.py are independent of each other.

Imports no other room.
"""
