"""Time a CO2-Net training step against a straightforward one, in turns, in one process.

Both start from the same weights (their losses are compared), see the same batch, and use the same
number of threads and the same allocator settings. The ratio is the median of reference / ours over
the alternations.

Examples:
  python -m benchmarks.speed.train_step
  python -m benchmarks.speed.train_step --alternations 3 --length 60 --dry-run
  python -m benchmarks.speed.train_step --device cuda --precision bf16 --compile reduce-overhead
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from wstal.config.catalog import load_catalog
from wstal.methods.co2net import CO2Net
from wstal.methods.contract import Batch
from wstal.train.loop import (
    RunConfig,
    autocast,
    build_optimizer,
    compiled,
    keep_freed_memory,
    run_config,
    update,
)

from benchmarks.record import record_parser, write_record
from benchmarks.speed.reference.co2net_step import Step, criterion

WANTED = 1.5


def our_step(model: torch.nn.Module, config: RunConfig, batch: Batch) -> Callable[[], float]:
    """Return a function that makes one update of the trainer and returns the loss."""
    optimizer = build_optimizer(model, config.train)
    context = autocast(config.train.precision, batch.features.device)
    forward = compiled(model, config.train.compile)

    def step() -> float:
        _, total, _ = update(config, forward, optimizer, batch, context)
        return total.item()

    return step


def seconds(step: Callable[[], float]) -> tuple[float, float]:
    """Return wall and processor seconds of one step."""
    wall, cpu = time.perf_counter(), time.process_time()
    step()
    return time.perf_counter() - wall, time.process_time() - cpu


def same_loss(reference: Step, model: torch.nn.Module, batch: Batch, config: RunConfig) -> float:
    """Return the absolute difference of the two losses with equal weights, without dropout."""
    with torch.no_grad():
        theirs, _ = criterion(
            reference.model.eval()(batch.features), batch.labels, batch.pairs, reference.divisor
        )
        ours, _ = config.method.loss(model.eval()(batch.features), batch, config.loss)
    reference.model.train()
    model.train()
    return abs(float(theirs) - float(ours))


def main() -> None:
    """Time both steps, print and record the ratio."""
    parser = record_parser(__doc__)
    parser.add_argument("--alternations", type=int, default=7)
    parser.add_argument("--length", type=int, default=500, help="snippets per video")
    parser.add_argument("--batch", type=int, default=10, help="videos")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", help="of our step; the reference uses fp32")
    parser.add_argument("--compile", default="none", help="mode of torch.compile for our step")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    kept = keep_freed_memory()
    config = load_catalog().run_config("thumos14", "co2net")
    config["train"] |= {"precision": args.precision, "compile": args.compile}
    config = run_config(config)
    device = torch.device(args.device)
    labels = torch.eye(20)[torch.arange(args.batch) // 2 % 20]
    features = torch.rand(args.batch, args.length, 2048)
    batch = Batch(features.to(device), labels.to(device), min(3, args.batch // 2))
    reference = Step()
    reference.model.to(device)
    model = CO2Net.from_official(reference.model.state_dict(), 20).to(device)
    difference = same_loss(reference, model, batch, config)
    steps = {
        "reference": lambda: reference(batch.features, batch.labels, batch.pairs),
        "ours": our_step(model, config, batch),
    }
    for step in steps.values():
        for _ in range(3):  # includes compiling and capturing graphs
            step()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for _ in range(args.alternations):
        for name, step in steps.items():
            times[name].append(seconds(step))
    results = {"loss_difference": difference}
    for index, clock in enumerate(("wall", "cpu")):
        theirs, ours = ([t[index] for t in times[name]] for name in steps)
        ratio = median(a / b for a, b in zip(theirs, ours, strict=True))
        results[clock] = {"reference_s": median(theirs), "ours_s": median(ours), "ratio": ratio}
        print(
            f"{clock:4}: reference {median(theirs):.3f} s, ours {median(ours):.3f} s, "
            f"ratio {ratio:.2f} (wanted {WANTED})"
        )
    if not args.dry_run:
        settings = {**vars(args), "keep_freed_memory": kept}
        name = "train_step" if device.type == "cpu" else f"train_step_{device.type}"
        print(write_record(name, results, settings=settings))


if __name__ == "__main__":
    main()
