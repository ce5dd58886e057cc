"""What jobs inherit from the checkout that starts them, and how many GPUs they ask for."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from wstal.base.errors import WstalError
from wstal.base.files import MIN_FREE
from wstal.base.memory import GIB, MAX_MEMORY
from wstal.base.process import Process, read_process, this_process

ACCEPTED = "WSTAL_ACCEPTED_CODE"
_MISREAD = {os.pathsep, "{", "}", "\n"}  # a separator; format fields in paths of environments
STARTED_BY = "WSTAL_STARTED_BY"


def prepare_jobs(
    root: str | Path,
    accepted: Mapping[str, str],
    min_free: float = 0,
    max_memory: float | None = None,
) -> None:
    """Let every job use this checkout's package and this interpreter, wherever others are.

    `accepted` (new code digest: the older one it is equal to) is passed in the environment: as a
    parameter it would make jobs run again, which it is there to prevent. Jobs also get to know
    which process starts them, so that they end with it, how many bytes of the disk (`min_free`)
    they leave free, and how many GiB those on videos may take (`max_memory`; None: the default of
    `wstal.base.memory`). Raises WstalError for a checkout in a
    folder that PYTHONPATH or Snakemake cannot name.
    """
    if misread := sorted(_MISREAD & set(str(root))):
        raise WstalError(
            f"the path of the checkout, {str(root)!r}, contains {', '.join(map(repr, misread))}, "
            "which PYTHONPATH or Snakemake reads as something else; rename the folder, or clone "
            "to another one"
        )
    os.environ[MIN_FREE] = str(min_free)
    os.environ[STARTED_BY] = str(this_process())
    os.environ[ACCEPTED] = json.dumps(dict(accepted), sort_keys=True)
    if max_memory is not None:
        os.environ[MAX_MEMORY] = str(int(max_memory * GIB))
    _prepend("PYTHONPATH", str(Path(root) / "workflow"))
    _prepend("PATH", str(Path(sys.executable).parent))


def started_by() -> Process | None:
    """Return the Snakemake that started this job, if one did."""
    return read_process(os.environ.get(STARTED_BY, ""))


def accepted_code() -> dict[str, str]:
    """Return the accepted digests of the run that this job belongs to."""
    return json.loads(os.environ.get(ACCEPTED, "{}"))


def gpu_count() -> int:
    """Return how many NVIDIA GPUs of this machine jobs may use, without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = len(list(Path("/dev").glob("nvidia[0-9]*")))
    return found if visible is None else len([name for name in visible.split(",") if name.strip()])


def gpus_per_job(device: str, here: int, allowed: int | None) -> int:
    """Return how many GPUs a job of a network asks for: 1, or 0 if everything runs on CPUs.

    `here` is how many this machine has, `allowed` the limit that a profile or the command line
    sets. A limit means that GPUs are expected, here or on a cluster: without any it is an error.
    """
    if device == "auto" and allowed and not here:
        raise WstalError(
            f"up to {allowed} GPU jobs at a time were allowed, but device is auto and this machine "
            "has no GPU, so that every job would run on a CPU. Say --config device=cuda for the "
            "GPUs of a cluster, or device=cpu. A --config on the command line takes the place of "
            "the whole `config:` of a profile: repeat its device there"
        )
    return int(device == "cuda" or (device == "auto" and here > 0))


def _prepend(variable: str, entry: str) -> None:
    rest = os.environ.get(variable, "")
    if rest.split(os.pathsep)[0] != entry:
        os.environ[variable] = f"{entry}{os.pathsep}{rest}" if rest else entry
