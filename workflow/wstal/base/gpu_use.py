"""What a job took of its GPU: memory, utilization, energy; nothing on a CPU.

Snakemake's benchmark knows of none of them. A job writes them into its log as one line, and
`wstal runtime` reads it there. Utilization and energy come from NVIDIA's library NVML, where it is
installed; other processes on the same GPU count as well.
"""

from __future__ import annotations

import ctypes
import json
import re
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

COLUMNS = ("gpu_memory_mb", "gpu_percent", "gpu_energy_kj")
_LINE = re.compile(r"^gpu use: (\{.*\})$", re.M)
_EVERY = 1.0  # s between two looks at the utilization


class GpuUse:
    """A block that notes what its process takes of GPUs; `line` says it afterwards."""

    def __init__(self, nvml: Any = None) -> None:
        self._nvml = nvml if nvml is not None else Nvml.load()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._joules: dict[str, float] = {}
        self._percents: dict[str, list[int]] = {}
        self.line = ""

    def __enter__(self) -> GpuUse:
        if self._nvml is not None:
            self._joules = self._nvml.joules()
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        with suppress(Exception):  # a measurement that fails changes no result
            self.line = self._measured()

    def _look(self) -> None:
        with suppress(Exception):
            while not self._ended.wait(_EVERY):
                for name, percent in self._nvml.percents().items():
                    self._percents.setdefault(name, []).append(percent)

    def _measured(self) -> str:
        torch = sys.modules.get("torch")  # a job that has not imported it has used no GPU
        if torch is None or not torch.cuda.is_initialized():
            return ""
        used = [n for n in range(torch.cuda.device_count()) if torch.cuda.max_memory_allocated(n)]
        if not used:
            return ""
        values = {COLUMNS[0]: sum(map(torch.cuda.max_memory_allocated, used)) / 1e6}
        names = [str(torch.cuda.get_device_properties(n).uuid) for n in used]
        percents = [each for name in names for each in self._percents.get(name, [])]
        if percents:
            values[COLUMNS[1]] = sum(percents) / len(percents)
        after = self._nvml.joules() if self._nvml is not None else {}
        if all(name in after and name in self._joules for name in names):
            values[COLUMNS[2]] = sum(after[name] - self._joules[name] for name in names) / 1e3
        return f"gpu use: {json.dumps({name: round(v, 3) for name, v in values.items()})}"


def recorded_use(log: Path) -> dict[str, float]:
    """Return what a job wrote into its log about GPUs, by COLUMNS; nothing of a CPU's."""
    with suppress(OSError, ValueError):
        if found := _LINE.findall(log.read_text(encoding="utf-8", errors="replace")):
            return json.loads(found[-1])
    return {}


class Nvml:
    """The three calls of NVML that are needed, by the UUIDs of GPUs as torch writes them."""

    def __init__(self, library: Any) -> None:
        self._library, self._devices = library, {}
        count = ctypes.c_uint()
        self._call("nvmlInit_v2")
        self._call("nvmlDeviceGetCount_v2", ctypes.byref(count))
        for index in range(count.value):
            device, name = ctypes.c_void_p(), ctypes.create_string_buffer(96)
            self._call("nvmlDeviceGetHandleByIndex_v2", index, ctypes.byref(device))
            self._call("nvmlDeviceGetUUID", device, name, len(name))
            self._devices[name.value.decode().removeprefix("GPU-")] = device

    @classmethod
    def load(cls) -> Nvml | None:
        """Return the machine's NVML; None where there is no NVIDIA GPU or driver."""
        if not Path("/dev/nvidiactl").exists():
            return None
        try:
            return cls(ctypes.CDLL("libnvidia-ml.so.1"))
        except (OSError, AttributeError, RuntimeError):
            return None

    def _call(self, function: str, *arguments: Any) -> None:
        if status := getattr(self._library, function)(*arguments):
            raise RuntimeError(f"{function} returned {status}")

    def joules(self) -> dict[str, float]:
        """Return what each GPU has taken since its driver was loaded; none of older models."""
        found = {}
        for name, device in self._devices.items():
            millijoules = ctypes.c_ulonglong()
            with suppress(RuntimeError):
                self._call("nvmlDeviceGetTotalEnergyConsumption", device, ctypes.byref(millijoules))
                found[name] = millijoules.value / 1e3
        return found

    def percents(self) -> dict[str, int]:
        """Return the share of the last period in which each GPU was busy, percent."""
        found = {}
        for name, device in self._devices.items():
            rates = (ctypes.c_uint * 2)()  # GPU, memory
            with suppress(RuntimeError):
                self._call("nvmlDeviceGetUtilizationRates", device, ctypes.byref(rates))
                found[name] = rates[0]
        return found
