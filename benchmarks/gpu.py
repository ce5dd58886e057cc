"""Check and measure everything that runs on a GPU, within a number of minutes.

The tests come first (several at a time if pytest-xdist is installed), then the rates of flow and
I3D, each beside its error, then settings that could be faster. Each step is a process of its own
with a time limit: a step that fails or runs out of time does not affect the others, and steps for
which no time is left are listed. Records are written to benchmarks/results/ figure by figure;
after each step they are copied to `--output`, beside steps.log. Needs torch, triton, numpy, pandas,
h5py, pyyaml, annotated-types, opencv-python-headless and pytest, but no decoder and no Snakemake.

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
FLOW = ("flow/test_triton_kernels", "flow/test_triton", "flow/test_torch", "flow/test_backend")
FEATURES = ("networks/test_i3d_kernels", "networks/test_i3d_inference", "features/test_snippets")
TRAINING = ("train/test_loop",)
NAMES = ("flow", "i3d", "training")


class Step(NamedTuple):
    """Arguments of a Python process and its time limit in seconds."""

    name: str
    command: list[str]
    limit: float


def steps(videos: Path | None) -> list[Step]:
    """Return all steps, the most important first."""
    clips = ["--videos", str(videos)] if videos else []
    flow = ["-m", "benchmarks.speed.tvl1_gpu", *clips]
    i3d = ["-m", "benchmarks.speed.i3d", "--device", "cuda"]
    i3d += ["--batch", "64", "--turns", "3", "--kernels"]
    training = ["-m", "benchmarks.speed.train_step", "--device", "cuda"]
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
    files = [f"tests/{name}.py" for name in names]
    # One line per test, so that the log of an interrupted run shows what passed.
    shown = ["-v", "--tb=short", "--durations=5"]
    shown += ["-n", str(min(12, os.cpu_count() or 1))] if find_spec("xdist") else []
    return ["-m", "pytest", *shown, "-m", "gpu", "-p", "no:cacheprovider", *files]


def run(step: Step, seconds: float, output: Path) -> str:
    """Run a step with a time limit, append its output to the log and return how it ended."""
    path = os.pathsep.join(filter(None, (str(ROOT / "workflow"), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": path}
    log = output / "steps.log"
    start = log.stat().st_size if log.exists() else 0
    with log.open("a") as file:
        file.write(f"\n== {step.name}\n")
        file.flush()
        # A process group of its own, so that its compilers are killed with it.
        process = subprocess.Popen(
            [sys.executable, *step.command],
            cwd=ROOT,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
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
    """Run the steps, print how each ended, and exit with 1 unless all passed."""
    arguments = record_parser(__doc__, dry_run=False)
    add = arguments.add_argument
    add("--minutes", type=float, default=15, help="for everything (default 15)")
    add("--only", choices=NAMES, nargs="+", default=list(NAMES))
    add("--videos", type=Path, help="folder of the clips on which flow is measured")
    add("--output", type=Path, default=Path("gpu_logs"), help="folder of the log and the records")
    args = arguments.parse_args()
    end = time.monotonic() + 60 * args.minutes
    args.output.mkdir(parents=True, exist_ok=True)
    outcome: dict[str, str] = {}
    for step in steps(args.videos and args.videos.resolve()):
        if step.name.split()[0] not in {"tests", *args.only}:
            continue
        start = time.monotonic()
        if end - start < 10:
            outcome[step.name] = "not run: no time left"
            continue
        state = run(step, min(step.limit, end - start), args.output)
        outcome[step.name] = f"{state}, {time.monotonic() - start:.0f} s"
        print(f"== {step.name}: {outcome[step.name]}", flush=True)
        for pattern in ("*_gpu.json", "*_cuda.json"):
            for record in FOLDER.glob(f"results/{pattern}"):
                shutil.copy(record, args.output)
    print("\n" + "\n".join(f"{name:18} {state}" for name, state in outcome.items()))
    sys.exit(any(not state.startswith("passed") for state in outcome.values()))


if __name__ == "__main__":
    main()
