"""Time Inception-I3D per snippet: the plain network and the fast forms, in turns.

The plain network is the one that other code extracts features with: float32, separate batch norm,
torch's contiguous layout, one snippet at a time (on GPUs also in batches). Weights are random with
calibrated batch norms: times are those of real weights, but distances from float32 (cosine of the
worst snippet, relative L2 norm of the differences) are larger. For real weights use
`wstal check-precision`. Beside wall time the record has the processor time of all threads,
which depends less on the load of the machine. `times_plain` are medians over the turns. A form that
fails is recorded as failed and does not affect the others.

Examples:
  OMP_NUM_THREADS=1 python -m benchmarks.speed.i3d
  python -m benchmarks.speed.i3d --device cuda --batch 64 --turns 5 --kernels
  python -m benchmarks.speed.i3d --batch 2 --turns 1 --size 64 --dry-run
"""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from wstal.base.device import lease
from wstal.base.errors import WstalError
from wstal.features.snippets import as_taken, scaled, upload
from wstal.networks.i3d.inference import for_inference
from wstal.networks.i3d.network import InceptionI3D

from benchmarks.record import record_parser, write_record
from benchmarks.speed.kernel_times import kernel_times

FORMS = {
    "cpu": ("plain", "fp32", "bf16"),
    "cuda": ("fp16", "plain", "plain_batched", "fp32", "tf32", "bf16"),
}
CALLS = {"cpu": 1, "cuda": 8}
STREAMS = {"rgb": 3, "flow": 2}
EXACT_SNIPPETS = 8  # compared with float64


def moving_textures(count: int, channels: int, size: int) -> Tensor:
    """Return smooth snippets `[count, 16, size, size, channels]`, uint8 (RGB) or int8 (flow)."""
    coarse = torch.randn(count, channels, 4, size // 16, size // 16)
    x = F.interpolate(coarse, size=(16, size, size), mode="trilinear")
    x = (x + 0.2 * torch.randn_like(x)).clamp(-1, 1).permute(0, 2, 3, 4, 1).contiguous()
    return (x * 127.5 + 127.5).byte() if channels == 3 else (x * 127).to(torch.int8)


def calibrated(channels: int, size: int) -> InceptionI3D:
    """Return a full-width network with random weights whose activations keep their scale."""
    network = InceptionI3D(channels)
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm3d):
            module.momentum = None
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    with torch.no_grad():
        network.train().trunk(scaled(moving_textures(4, channels, size)).permute(0, 4, 1, 2, 3))
    return network.eval()


def form(name: str, network: nn.Module, pictures: Tensor, device: torch.device) -> Callable:
    """Return a function that computes the features `calls` times in the form `name`."""
    if name.startswith("plain"):
        x = scaled(pictures.to(device)).permute(0, 4, 1, 2, 3).contiguous()
        x = x if name == "plain_batched" else x[:1]
        for_inference(nn.Identity(), device)  # TF32 off
        return lambda calls: [network.features(x) for _ in range(calls)]
    fast = for_inference(network, device, name)

    def run(calls: int) -> list[Tensor]:
        batches = upload([pictures] * calls, device)
        return [fast.features(as_taken(fast, batch)) for batch in batches]

    return run


def clocks(run: Callable[[int], list[Tensor]], device: torch.device) -> tuple[float, float]:
    """Return wall and processor milliseconds per snippet (on a GPU over several batches)."""
    wall, processor = time.perf_counter(), time.process_time()
    count = sum(len(features) for features in run(CALLS[device.type]))
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return 1000 * wall / count, 1000 * processor / count


@torch.inference_mode()
def measure(stream: str, device: torch.device, args: Namespace) -> dict:
    """Return times, ratios to the plain network, distances and kernels of each form."""
    torch.manual_seed(0)
    network = calibrated(STREAMS[stream], args.size).to(device)
    pictures = moving_textures(args.batch, STREAMS[stream], args.size)
    if device.type == "cuda":
        pictures = pictures.pin_memory()
    found: dict[str, Tensor] = {}
    spent: dict[str, list] = {name: [] for name in FORMS[device.type]}
    failed: dict[str, str] = {}
    kernels: dict[str, dict] = {}
    for _ in range(args.turns):
        for name in [name for name in spent if name not in failed]:
            try:
                run = form(name, network, pictures, device)
                found[name] = run(1)[0].double().cpu()  # warm
                if not found[name].isfinite().all():
                    raise RuntimeError("its features are not finite")
                spent[name].append(clocks(run, device))
                if args.kernels and name not in kernels:
                    kernels[name] = {"kernels": kernel_times(lambda run=run: run(1))}
            except (RuntimeError, WstalError) as error:  # no kernel available, or too little memory
                failed[name] = f"failed: {error}"[:300]
            print(stream, name, failed.get(name) or f"{spent[name][-1][0]:.3f} ms", flush=True)
    x = scaled(pictures[:EXACT_SNIPPETS].to(device)).double().permute(0, 4, 1, 2, 3)
    exact = network.double().features(x).cpu()
    made = [name for name in spent if name not in failed]
    rows = {name: _row(name, spent, found[name], exact) for name in made}
    return failed | {name: row | kernels.get(name, {}) for name, row in rows.items()}


def _row(name: str, spent: dict, found: Tensor, exact: Tensor) -> dict[str, float]:
    wall, processor = zip(*spent[name], strict=True)
    ratio = [
        [a / b for a, b in zip(plain, own, strict=True)]
        for plain, own in zip(spent["plain"], spent[name], strict=False)
    ] or [(0.0, 0.0)]  # the plain network failed
    count = min(len(found), len(exact))
    found, exact = found[:count], exact[:count]
    return {
        "ms_per_snippet": round(min(wall), 3),
        "processor_ms_per_snippet": round(min(processor), 3),
        "snippets_per_s": round(1000 / min(wall), 2),
        "times_plain": round(median(wall for wall, _ in ratio), 2),
        "times_plain_processor": round(median(processor for _, processor in ratio), 2),
        "cosine": round(F.cosine_similarity(found, exact).min().item(), 7),
        "relative_error": float(f"{((found - exact).norm() / exact.norm()).item():.2e}"),
    }


def main() -> None:
    """Time both streams, print and record them."""
    arguments = record_parser(__doc__)
    add = arguments.add_argument
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--batch", type=int, default=8, help="snippets per batch of the fast forms")
    add("--turns", type=int, default=9)
    add("--size", type=int, default=224)
    add(
        "--kernels",
        action="store_true",
        help="also record the time of each kernel (GPU)",
    )
    args = arguments.parse_args()
    results: dict[str, dict] = {}
    settings = {"batch": args.batch, "turns": args.turns, "frames": 16, "size": args.size}
    name = "i3d" if args.device == "cpu" else f"i3d_{args.device}"
    with lease(args.device) as device:
        for stream in STREAMS:
            rows = measure(stream, device, args)
            results[stream] = rows
            print(stream, *(f"\n  {form}: {row}" for form, row in rows.items()), flush=True)
            if not args.dry_run:
                print(write_record(name, results, settings=settings, packages=("torch", "numpy")))
    sys.exit(any(isinstance(row, str) for rows in results.values() for row in rows.values()))


if __name__ == "__main__":
    main()
