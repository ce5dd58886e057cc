"""Write records of measurements with the machine, the versions and the commit that they belong to.

    from benchmarks.record import record_parser, write_record

    args = record_parser(__doc__).parse_args()
    if not args.dry_run:
        write_record("evaluate", {"ratio": 41.2}, settings={"predictions": 100_000})

writes benchmarks/results/evaluate.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from wstal.base.files import write_json

FOLDER = Path(__file__).resolve().parent
PACKAGES = ("numpy", "pandas", "scipy", "h5py", "torch", "opencv-contrib-python-headless")


def record_parser(docstring: str, dry_run: bool = True) -> argparse.ArgumentParser:
    """Return a parser whose help is the program's docstring, with `--dry-run` by default."""
    arguments = argparse.ArgumentParser(
        description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commit()  # a study may run for hours, and files change meanwhile
    if dry_run:
        arguments.add_argument("--dry-run", action="store_true", help="write no record")
    return arguments


@cache  # a record may be written after each figure
def machine() -> dict[str, Any]:
    """Return processor, cores available to this process, memory (GiB), GPUs and system."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpus": _output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]).splitlines(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": os.environ.get("OMP_NUM_THREADS", "unset"),
    }


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return the versions of Python and of those `packages` that are installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def commit() -> str:
    """Return the commit that is measured, with `+changes` if tracked files differ from it.

    Records do not count: a program may write several.
    """
    git = ["git", "-C", str(FOLDER)]
    head = _output([*git, "rev-parse", "--short=12", "HEAD"]) or "unknown"
    places = ["--", ":(top)", ":(top,exclude)benchmarks/results"]
    changed = _output([*git, "status", "--porcelain", "--untracked-files=no", *places])
    return f"{head}+changes" if changed else head


def write_record(
    name: str,
    results: Any,
    *,
    settings: Mapping[str, Any] | None = None,
    packages: Sequence[str] = PACKAGES,
    folder: Path = FOLDER / "results",
) -> Path:
    """Write `results` with their provenance to `folder`/`name`.json and return the path."""
    path = folder / f"{name}.json"
    content = {
        "benchmark": name,
        "command": " ".join(Path(word).name if "/" in word else word for word in sys.argv),
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "machine": machine(),
        "versions": versions(packages),
        "settings": dict(settings or {}),
        "results": results,
    }
    write_json(path, content)
    return path


class Figures(dict):
    """Results by name, each written as soon as it is measured. A failure leaves the others intact.

    `write` receives all results so far; None writes nothing. `failed` has the names of the
    measurements that raised an exception.
    """

    def __init__(self, write: Callable[[Mapping[str, Any]], object] | None) -> None:
        super().__init__()
        self.write, self.failed = write, []

    def take(self, name: str, measure: Callable[[], Any]) -> Any:
        """Call `measure`, keep and print its result, and return it; keep the error if it fails."""
        start, value = time.perf_counter(), None
        try:
            value = measure()
            json.dumps(value, allow_nan=False)  # a value that JSON cannot store counts as a failure
            self[name] = value
        except Exception as error:  # of any kind: compiler, driver, memory
            traceback.print_exc()
            value = None
            self[name] = f"failed: {type(error).__name__}: {error}"[:300]
            self.failed.append(name)
        print(f"{name}: {self[name]}  ({time.perf_counter() - start:.1f} s)", flush=True)
        if self.write:
            self.write(self)
        return value


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
