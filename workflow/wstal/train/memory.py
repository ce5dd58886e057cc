"""Memory that one training step frees kept for the next."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h of glibc
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tell the C library not to hand freed memory back to the system; whether it obeyed.

    A CPU training step allocates and frees the same gigabyte of activations again and again;
    by default every large block is mapped anew and its pages cleared one fault at a time, which
    takes longer than the elementwise operations that fill it. Only glibc knows the call; with
    any other C library nothing changes. It holds for the whole process.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, _NEVER))
