"""Inception-I3D: the network, and the same function computed faster.

Read network.py (the definition), inference.py (the fast form), cpu.py (minimal filtering over time
and pooling), then cuda.py and kernels.py (Triton kernels for GPUs).
"""
