"""Whether a GPU kernel can be used, asked by trying it."""

from __future__ import annotations

import warnings
from collections.abc import Callable


def works(trial: Callable[[], bool], wrong: str, instead: str) -> bool:
    """What `trial` says of a kernel's result; a warning says why not.

    No Triton, a driver that fails, a kernel that is compiled wrongly are reasons for another way,
    slower and equal up to rounding, never an error. `wrong` says what a false trial means,
    `instead` what is done.
    """
    try:
        right, reason = trial(), wrong
    except Exception as error:  # of many kinds: no Triton, compiler, driver
        right, reason = False, f"{type(error).__name__}: {error}"
    if not right:
        warnings.warn(f"{instead}, slower: {reason}", stacklevel=3)
    return right
