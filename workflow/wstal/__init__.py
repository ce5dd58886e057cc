"""Weakly-supervised temporal action localization, from raw video to the paper's table."""

__version__ = "0.1.0"
