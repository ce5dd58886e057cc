"""What a GPU spends its time on, kernel by kernel."""

from __future__ import annotations

from collections.abc import Callable

import torch


def kernel_times(run: Callable[[], object]) -> dict[str, dict[str, float]]:
    """Of the twelve longest kernels in a run: milliseconds on the device, number of launches."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        run()
        torch.cuda.synchronize()
    found = {
        each.key: {"ms": each.self_device_time_total / 1000, "launches": each.count}
        for each in profile.key_averages()
        if each.self_device_time_total
    }
    return dict(sorted(found.items(), key=lambda item: -item[1]["ms"])[:12])
