"""Check and measure all that runs on a GPU, within a number of minutes.

The tests come first, several at a time if pytest-xdist is installed, then the rates of flow and
I3D, each beside its error, then what could be faster. Each step is a process of its own with a
limit; one that fails or runs out of time costs the others nothing, and what no time was left for
is named. Records go to benchmarks/results/, figure by figure; after each step a copy lies in
`--output`, beside steps.log. Needs torch, triton, numpy, pandas, h5py, pyyaml,
opencv-python-headless and pytest; no decoder, no workflow engine.

Examples:
  PYTHONPATH=workflow python benchmarks/gpu.py --minutes 8 --output logs
  PYTHONPATH=workflow python benchmarks/gpu.py --only flow --videos clips
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from record import FOLDER, record_parser

ROOT = FOLDER.parent
FLOW = (
    "tvl1_kernels", "picture_kernels", "median_kernel", "rounds", "tvl1_triton", "tvl1_golden",
    "tvl1_torch",
)  # fmt: skip
FEATURES = (
    "stem_kernel", "window_stem", "join_kernel", "branch_join", "pool_kernel", "window_pool",
    "i3d_inference", "upload", "extract",
)  # fmt: skip
TRAINING = ("loop",)
NAMES = ("flow", "i3d", "training")


class Step(NamedTuple):
    """A command of Python's and how long it may take, s."""

    name: str
    command: list[str]
    limit: float


def steps(videos: Path | None) -> list[Step]:
    """Everything, what matters most first."""
    clips = ["--videos", str(videos)] if videos else []
    flow = ["benchmarks/tvl1_gpu.py", *clips]
    i3d = ["benchmarks/i3d.py", "--device", "cuda", "--batch", "64", "--turns", "3", "--kernels"]
    training = ["benchmarks/train_step.py", "--device", "cuda"]
    other = [*training, "--dry-run"]
    return [
        Step("tests", _tests(FLOW + FEATURES), 120),
        Step("flow", [*flow, "--kernels"], 120),
        Step("i3d", i3d, 120),
        Step("training", training, 60),
        Step("training bf16", [*other, "--precision", "bf16"], 60),
        Step("training compiled", [*other, "--compile", "reduce-overhead"], 120),
        Step("flow tuned", [*flow, "--tune", "--sizes", "340x256"], 150),
        Step("training tests", _tests(TRAINING), 120),
    ]


def _tests(names: tuple[str, ...]) -> list[str]:
    files = [f"tests/unit/test_{name}.py" for name in names]
    # Line by line, so that a run that is cut short has told what passed.
    shown = ["-v", "--tb=short", "--durations=5"]
    shown += ["-n", str(min(12, os.cpu_count() or 1))] if find_spec("xdist") else []
    return ["-m", "pytest", *shown, "-m", "gpu", "-p", "no:cacheprovider", *files]


def run(step: Step, seconds: float, output: Path) -> str:
    """What became of a step that may take so long; the log grows by what it printed."""
    path = os.pathsep.join(filter(None, (str(ROOT / "workflow"), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": path}
    log = output / "steps.log"
    start = log.stat().st_size if log.exists() else 0
    with log.open("a") as file:
        file.write(f"\n== {step.name}\n")
        file.flush()
        # A group of its own: compilers that it has started end with it.
        process = subprocess.Popen(
            [sys.executable, *step.command], cwd=ROOT, env=environment,
            stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(seconds)
            state = "passed" if code == 0 else f"failed ({code})"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            state = f"ran out of its {seconds:.0f} s"
    printed = log.read_bytes()[start:].decode(errors="replace")
    print(*printed.splitlines()[-40:], sep="\n", flush=True)
    return state


def main() -> None:
    """Run the steps, print what became of each; exit with 1 unless all passed."""
    arguments = record_parser(__doc__, dry_run=False)
    add = arguments.add_argument
    add("--minutes", type=float, default=15, help="for everything (default 15)")
    add("--only", choices=NAMES, nargs="+", default=list(NAMES))
    add("--videos", type=Path, help="folder of the clips that flow is measured on")
    add("--output", type=Path, default=Path("gpu_logs"), help="folder of log and records")
    args = arguments.parse_args()
    end = time.monotonic() + 60 * args.minutes
    args.output.mkdir(parents=True, exist_ok=True)
    became: dict[str, str] = {}
    for step in steps(args.videos and args.videos.resolve()):
        if step.name.split()[0] not in {"tests", *args.only}:
            continue
        start = time.monotonic()
        if end - start < 10:
            became[step.name] = "not run: no time left"
            continue
        state = run(step, min(step.limit, end - start), args.output)
        became[step.name] = f"{state}, {time.monotonic() - start:.0f} s"
        print(f"== {step.name}: {became[step.name]}", flush=True)
        for pattern in ("*_gpu.json", "*_cuda.json"):
            for record in FOLDER.glob(f"results/{pattern}"):
                shutil.copy(record, args.output)
    print("\n" + "\n".join(f"{name:18} {state}" for name, state in became.items()))
    sys.exit(any(not state.startswith("passed") for state in became.values()))


if __name__ == "__main__":
    main()
