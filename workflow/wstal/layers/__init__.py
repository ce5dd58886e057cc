"""Layers that more than one method uses; sequences are time-major, `[B, T, D]`.

Read layers.py, then convolution.py (its fast convolution over time).

Imports no other room.
"""
