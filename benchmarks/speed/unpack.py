"""Time the unpacking of published video archives, with and without a password.

A video of random bytes, which compress as little as a real one does, is packed by the program zip
and unpacked by `wstal.datasets.fetching.unpack`: decrypted by stream-unzip (the extra `archives`)
and by Python's zipfile, and by the program unzip. One process each, in turns.

Examples:
  python -m benchmarks.speed.unpack
  python -m benchmarks.speed.unpack --megabytes 200 --turns 5
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from shutil import rmtree
from statistics import median
from unittest.mock import patch

from wstal.datasets import fetching

from benchmarks.record import record_parser, write_record

PACKAGES = ("stream-unzip", "pycryptodome")
NAME, PASSWORD = "video", "secret"


def pack(folder: Path, content: bytes) -> dict[str, Path]:
    """Return an archive of one video as it is, and one with a password."""
    (folder / f"{NAME}.mp4").write_bytes(content)
    archives = {"plain": folder / "plain.zip", "encrypted": folder / "encrypted.zip"}
    for kind, path in archives.items():
        secret = ["-P", PASSWORD] if kind == "encrypted" else []
        command = ["zip", "-q", *secret, path, f"{NAME}.mp4"]
        subprocess.run(command, cwd=folder, check=True)
    return archives


def ours(archive: Path, target: Path, *, fast: bool) -> None:
    with patch.object(fetching, "_has_decryption", lambda: fast):
        fetching.unpack(archive, target, {NAME}, password=PASSWORD)


def unzip(archive: Path, target: Path) -> None:
    subprocess.run(["unzip", "-q", "-P", PASSWORD, archive, "-d", target], check=True)


def seconds(unpack: Callable[[Path, Path], None], archive: Path, target: Path) -> float:
    start = time.perf_counter()
    unpack(archive, target)
    spent = time.perf_counter() - start
    size = (target / f"{NAME}.mp4").stat().st_size
    assert size == (archive.parent / f"{NAME}.mp4").stat().st_size
    rmtree(target)
    return spent


def main() -> None:
    parser = record_parser(__doc__)
    parser.add_argument("--megabytes", type=int, default=50, help="of the video (default: 50)")
    parser.add_argument("--turns", type=int, default=3, help="medians are over them (default: 3)")
    args = parser.parse_args()
    ways = {
        "stream_unzip": partial(ours, fast=True),
        "zipfile": partial(ours, fast=False),
        "unzip": unzip,
    }
    times: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        archives = pack(Path(folder), os.urandom(args.megabytes * 10**6))
        for _ in range(args.turns):
            for kind, archive in archives.items():
                for way, unpack in ways.items():
                    if kind == "plain" and way == "stream_unzip":
                        continue  # only for archives with a password
                    spent = seconds(unpack, archive, Path(folder, "out"))
                    times.setdefault(kind, {}).setdefault(way, []).append(spent)
                    print(f"{kind}, {way}: {spent:.2f} s", flush=True)
    results = {
        f"{kind}_mb_per_s": {
            way: float(f"{args.megabytes / median(spent):.3g}") for way, spent in found.items()
        }
        for kind, found in times.items()
    }
    locked = results["encrypted_mb_per_s"]
    for other in ("zipfile", "unzip"):
        ratio = float(f"{locked['stream_unzip'] / locked[other]:.3g}")
        results[f"stream_unzip_over_{other}"] = ratio
    print(results)
    if not args.dry_run:
        settings = {"megabytes": args.megabytes, "turns": args.turns}
        write_record("unpack", results, settings=settings, packages=PACKAGES)


if __name__ == "__main__":
    main()
