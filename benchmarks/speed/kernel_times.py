"""GPU time of a function, kernel by kernel."""

from __future__ import annotations

from collections.abc import Callable

import torch


def kernel_times(run: Callable[[], object]) -> dict[str, dict[str, float]]:
    """Return milliseconds and launches of the twelve kernels that take longest in a run."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        run()
        torch.cuda.synchronize()
    found = {
        each.key: {"ms": each.self_device_time_total / 1000, "launches": each.count}
        for each in profile.key_averages()
        if each.self_device_time_total
    }
    return dict(sorted(found.items(), key=lambda item: -item[1]["ms"])[:12])
