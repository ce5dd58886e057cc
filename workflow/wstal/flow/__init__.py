"""Optical flow: TV-L1 at hardware speed (`tvl1`), alternatives, and their storage."""

from wstal.flow.tvl1_backends.backend import Backend, resolve_backend, tvl1

__all__ = ["Backend", "resolve_backend", "tvl1"]
