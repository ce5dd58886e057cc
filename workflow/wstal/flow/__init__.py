"""Optical flow: gray frames to int8 flow files.

Read definition.py (parameters, quantization), tvl1_backends/ (four backends of one TV-L1),
other.py (DIS and RAFT), algorithm.py (the flow that a recipe names), chunks.py (bounded memory),
stage.py (the jobs).

Imports only base and networks.
"""

from wstal.flow.tvl1_backends.backend import Backend, resolve_backend, tvl1

__all__ = ["Backend", "resolve_backend", "tvl1"]
