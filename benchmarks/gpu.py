"""Check and measure all that runs on a GPU, within a number of minutes: tests first.

Each step is a process of its own with a limit; one that fails or runs out of time costs the
others nothing, and what no time was left for is named. Records go to benchmarks/results/ (and a
copy to `--output`, beside the log of each step). Needs torch, triton, numpy, pandas, h5py,
opencv-python-headless and pytest; no decoder and no workflow engine.

Examples:
  PYTHONPATH=workflow python benchmarks/gpu.py --minutes 8 --output logs
  PYTHONPATH=workflow python benchmarks/gpu.py --only flow --videos clips
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from record import FOLDER, record_parser

ROOT = FOLDER.parent
FLOW = ("tvl1_kernels", "picture_kernels", "tvl1_triton", "tvl1_golden", "tvl1_torch")
FEATURES = ("i3d_inference", "extract")
NAMES = ("flow", "i3d", "training")


class Step(NamedTuple):
    """A command of Python's and how long it may take, s."""

    name: str
    command: list[str]
    limit: float


def steps(videos: Path | None) -> list[Step]:
    """Everything, what matters most first: right before fast, flow before networks."""
    clips = ["--videos", str(videos)] if videos else []
    flow = ["benchmarks/tvl1_gpu.py", *clips]
    training = ["benchmarks/train_step.py", "--device", "cuda", "--dry-run"]
    return [
        Step("flow tests", _tests(FLOW), 180),
        Step("flow", [*flow, "--kernels"], 150),
        Step("i3d tests", _tests(FEATURES), 120),
        Step(
            "i3d", ["benchmarks/i3d.py", "--device", "cuda", "--batch", "64", "--turns", "3"], 120
        ),
        Step("flow tuned", [*flow, "--tune", "--sizes", "340x256"], 240),
        Step("training", training, 60),
        Step("training bf16", [*training, "--precision", "bf16"], 60),
        Step("training compiled", [*training, "--compile", "reduce-overhead"], 120),
    ]


def _tests(names: tuple[str, ...]) -> list[str]:
    files = [f"tests/unit/test_{name}.py" for name in names]
    return ["-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", *files]


def run(step: Step, seconds: float, output: Path) -> str:
    """What became of a step that may take so long; its log is written and its end shown."""
    log = output / f"{step.name.replace(' ', '_')}.log"
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT / "workflow")}
    with log.open("w") as file:
        try:
            done = subprocess.run(
                [sys.executable, *step.command], cwd=ROOT, env=environment, timeout=seconds,
                stdout=file, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
            state = "passed" if done.returncode == 0 else f"failed ({done.returncode})"
        except subprocess.TimeoutExpired:
            state = f"ran out of its {seconds:.0f} s"
    print(*log.read_text().splitlines()[-40:], sep="\n", flush=True)
    return state


def main() -> None:
    """Run the steps, print what became of each; exit with 1 unless all passed."""
    arguments = record_parser(__doc__, dry_run=False)
    add = arguments.add_argument
    add("--minutes", type=float, default=15, help="for everything (default 15)")
    add("--only", choices=NAMES, nargs="+", default=list(NAMES))
    add("--videos", type=Path, help="folder of the clips that flow is measured on")
    add("--output", type=Path, default=Path("gpu_logs"), help="folder of the logs")
    args = arguments.parse_args()
    end = time.monotonic() + 60 * args.minutes
    args.output.mkdir(parents=True, exist_ok=True)
    became: dict[str, str] = {}
    for step in steps(args.videos and args.videos.resolve()):
        if step.name.split()[0] not in args.only:
            continue
        start = time.monotonic()
        if end - start < 10:
            became[step.name] = "not run: no time left"
            continue
        print(f"\n== {step.name}", flush=True)
        state = run(step, min(step.limit, end - start), args.output)
        became[step.name] = f"{state}, {time.monotonic() - start:.0f} s"
    for pattern in ("*_gpu.json", "*_cuda.json"):
        for record in FOLDER.glob(f"results/{pattern}"):
            shutil.copy(record, args.output)
    print("\n" + "\n".join(f"{name:18} {state}" for name, state in became.items()))
    sys.exit(any(not state.startswith("passed") for state in became.values()))


if __name__ == "__main__":
    main()
