"""Time VGGish from sound to log-mel examples to embeddings against torchvggish, in turns.

torchvggish resamples with resampy's kaiser_best by default and has a hop of 0.96 s. The project
resamples with soxr and has the hop of a video snippet, 0.64 s: 1.5 times as many examples of the
same sound, all of which are included in its time. The sound is a minute of chirps and noise at
44.1 kHz, mono. Both networks have the same random weights. `times_torchvggish` are medians over the
turns of processor time; both front ends use one thread.

Examples:
  OMP_NUM_THREADS=1 python -m benchmarks.speed.vggish
  python -m benchmarks.speed.vggish --turns 1 --seconds 10 --dry-run
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from torchvggish import vggish_input
from torchvggish.torchvggish import VGG, make_layers
from wstal.features.vggish_stage import log_mel, snippet_windows, vggish_features
from wstal.media.sound import RATE, RESAMPLERS
from wstal.networks.vggish import VGGish
from wstal.networks.weights import load_state

from benchmarks.record import record_parser, write_record
from benchmarks.speed.reference.torchvggish_log_mel import torchvggish_log_mel

SOURCE_RATE, BLOCK = 44_100, 1024  # samples in a block of AAC
STEP = 0.64
PACKAGES = ("torch", "numpy", "soxr", "resampy", "torchvggish", "scipy")


def chirps(seconds: int) -> np.ndarray:
    """Return mono float32 `[S]` that reaches every band, with gaps and noise."""
    t = np.arange(seconds * SOURCE_RATE) / SOURCE_RATE
    chirp = 0.4 * np.sin(2 * np.pi * (100 + 700 * (t % 5)) * (t % 5)) * (t % 2 < 1.3)
    noise = 0.02 * np.random.default_rng(0).standard_normal(len(t))
    return (chirp + noise).astype(np.float32)


def resample(sound: np.ndarray, resampler: str) -> np.ndarray:
    """Return the sound at 16 kHz, resampled block by block as a decoder delivers it."""
    stream = RESAMPLERS[resampler](SOURCE_RATE, RATE)
    blocks = [stream(sound[k : k + BLOCK], False) for k in range(0, len(sound), BLOCK)]
    return np.concatenate([*blocks, stream(sound[:0], True)])


def front_end(sound: np.ndarray) -> np.ndarray:
    """Return the project's examples `[T, 96, 64]` of a sound at SOURCE_RATE."""
    return snippet_windows(resample(sound, "soxr"), int(len(sound) / SOURCE_RATE / STEP), STEP)


@torch.inference_mode()
def embeddings(network: torch.nn.Module, examples: torch.Tensor) -> torch.Tensor:
    """Return embeddings `[N, 128]` of `[N, 1, 96, 64]`, 32 at a time."""
    return torch.cat([network(part) for part in examples.split(32)])


def timed(stages: dict[str, dict[str, Callable]], turns: int) -> dict[str, dict[str, float]]:
    """Return processor milliseconds by stage and program, and the ratio to torchvggish."""
    out = {}
    for stage, programs in stages.items():
        spent: dict[str, list[float]] = {name: [] for name in programs}
        for turn in range(turns + 1):  # the first turn warms up and compiles resampy
            for name, run in programs.items():
                start = time.process_time()
                run()
                spent[name] += [1000 * (time.process_time() - start)] if turn else []
        ratio = [a / b for a, b in zip(spent["torchvggish"], spent["wstal"], strict=True)]
        out[stage] = {f"{name}_ms": round(median(values), 1) for name, values in spent.items()}
        out[stage]["times_torchvggish"] = round(median(ratio), 2)
    return out


def main() -> None:
    """Time all stages, compare the embeddings and record both."""
    arguments = record_parser(__doc__)
    add = arguments.add_argument
    add("--seconds", type=int, default=60)
    add("--turns", type=int, default=7)
    args = arguments.parse_args()
    torch.manual_seed(0)
    sound, oracle, network = chirps(args.seconds), VGG(make_layers(), False).eval(), VGGish().eval()
    load_state(network, oracle.state_dict(), "torchvggish")
    network = network.to(memory_format=torch.channels_last)  # as in the stage
    exact, fast = resample(sound, "resampy"), resample(sound, "soxr")
    examples = vggish_input.waveform_to_examples(sound, SOURCE_RATE).detach()
    rows, settings = len(examples), {"batch": 32, "device": torch.device("cpu")}
    results = timed(
        {
            "resampling": {
                "torchvggish": lambda: resample(sound, "resampy"),
                "wstal": lambda: resample(sound, "soxr"),
            },
            "log_mel": {
                "torchvggish": lambda: torchvggish_log_mel(exact),
                "wstal": lambda: log_mel(exact),
            },
            "front_end": {
                "torchvggish": lambda: vggish_input.waveform_to_examples(sound, SOURCE_RATE),
                "wstal": lambda: front_end(sound),
            },
            "network_with_log_mel": {
                "torchvggish": lambda: (torchvggish_log_mel(exact), embeddings(oracle, examples)),
                "wstal": lambda: vggish_features(network, exact, rows, 0.96, **settings),
            },
        },
        args.turns,
    )
    apart = np.abs(log_mel(fast[: len(exact)]) - log_mel(exact[: len(fast)]))
    results["log_mel_of_soxr_and_resampy"] = {
        "mean_difference": round(float(apart.mean()), 4),
        "largest_difference": round(float(apart.max()), 3),
    }
    own = vggish_features(network, exact, rows, 0.96, **settings)
    apart = np.abs(own - embeddings(oracle, examples).numpy())
    results["embeddings_largest_difference"] = float(f"{apart.max() / np.abs(own).max():.1e}")
    for name, row in results.items():
        print(f"{name}: {row}")
    if not args.dry_run:
        settings = {"seconds": args.seconds, "turns": args.turns, "source_rate": SOURCE_RATE}
        print(write_record("vggish", results, settings=settings, packages=PACKAGES))


if __name__ == "__main__":
    main()
