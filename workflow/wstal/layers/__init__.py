"""Layers that more than one method uses; sequences are time-major, `[B, T, D]`.

temporal.py has convolution over time, with faster routes on a CPU, and dropout.

Imports no other room.
"""
