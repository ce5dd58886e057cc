"""Report what is installed and what of wstal works, for a bug report.

Nothing is downloaded or changed. The last part says for each use in the README whether it works on
this machine, or what is missing.

Examples:
  wstal doctor
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from wstal.commands.console import EXTRAS, WEIGHTS, Add, Program
from wstal.config.installation import OWN_CONFIG, ROOT, is_checkout, work_folder
from wstal.flow.tvl1_backends.cpu import NoCompiler, cache_folder, find_compiler
from wstal.networks.weights import read_sources

PACKAGES = ("torch", "numpy", "scipy", "pandas", "h5py", "av", "snakemake")
OPENCV = "opencv-contrib-python-headless"
CPU_FEATURES = ("sse4_2", "avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")
DECODERS = {"pyav": "av", "decord": "decord", "torchcodec": "torchcodec"}
FREE = 20e9  # bytes of the disk that the features of a small dataset take


def add_arguments(add: Add) -> None:
    pass


def doctor(args: argparse.Namespace) -> None:
    """Print the page, a section after the other."""
    work = work_folder()
    sections = {
        "wstal": installation(work),
        "versions": versions(),
        "machine": machine(),
        "devices": devices(),
        "decoders": decoders(),
        "extras": extras(),
        "weights": weights(work),
        "disk": disk(work),
        "what works here": uses(work),
    }
    for title, lines in sections.items():
        print(f"{title}:", *lines, sep="\n  ")


def installation(work: Path) -> Iterator[str]:
    """Yield where wstal is, and where it works."""
    yield f"{_version('wstal')}, a {'checkout' if is_checkout() else 'wheel'}: {ROOT}"
    yield f"Snakefile {ROOT / 'Snakefile'}"
    configured = "with" if (work / OWN_CONFIG).is_file() else "without"
    writable = "" if os.access(work, os.W_OK) else ", not writable"
    yield f"work folder {work}{writable}, {configured} {OWN_CONFIG}"


def versions() -> Iterator[str]:
    """Yield Python, the system and the libraries that results depend on."""
    yield f"Python {platform.python_version()}, {platform.platform()}"
    yield ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    yield f"{OPENCV} {_version(OPENCV)}"


def machine() -> Iterator[str]:
    """Yield processor, its vector instructions, memory and compiler."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8", errors="replace") if info.is_file() else ""
    fields = [line.partition(":") for line in text.splitlines()]
    named = {key.strip(): value.strip() for key, _, value in fields}
    flags = (named.get("flags") or named.get("Features") or "").split()
    name = named.get("model name") or platform.processor() or platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield f"{name}, {os.cpu_count()} cores, {memory:.1f} GiB"
    yield f"vector instructions: {' '.join(f for f in CPU_FEATURES if f in flags) or 'not known'}"
    yield f"C++ compiler: {compiler() or 'none: optical flow is left to OpenCV, slower'}"


def compiler() -> str:
    """Return the C++ compiler and its version; "" without one."""
    try:
        path = find_compiler()
    except NoCompiler:
        return ""
    done = subprocess.run([path, "--version"], text=True, capture_output=True)
    return f"{path}, {(done.stdout.splitlines() or ['version not known'])[0]}"


def devices() -> Iterator[str]:
    """Yield the GPUs that torch can use, with their memory."""
    import torch

    count = torch.cuda.device_count()
    for number in range(count):
        about = torch.cuda.get_device_properties(number)
        yield f"cuda:{number} {about.name}, {about.total_memory / 2**30:.0f} GiB"
    if not count:
        build = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "for CPUs"
        yield f"no GPU that torch can use (this torch is built {build})"


def decoders() -> Iterator[str]:
    """Yield the video decoders that are installed."""
    for decoder, package in DECODERS.items():
        yield f"{decoder}: {_version(package)}"


def extras() -> Iterator[str]:
    """Yield each extra, and what it lacks."""
    for extra in dict.fromkeys(EXTRAS.values()):
        named = [name for name, each in EXTRAS.items() if each == extra]
        missing = [name for name in named if not _is_there(name)]
        remedy = f"missing {', '.join(missing)}: pip install 'wstal[{extra}]'"
        yield f"{extra}: {remedy if missing else 'installed'}"


def weights(work: Path) -> Iterator[str]:
    """Yield which public weights are in the work folder."""
    sources, folder = read_sources(WEIGHTS / "sources.yaml"), work / "results/weights"
    public = {name: each for name, each in sources.items() if each.url}
    there = [name for name, each in public.items() if (folder / each.file).exists()]
    yield f"{len(there)} of {len(public)} in {folder}: {', '.join(there) or 'none'}"


def disk(work: Path) -> Iterator[str]:
    """Yield the free space of the work folder and of the cache of compiled code."""
    for folder in (work, cache_folder()):
        yield f"{folder}: {shutil.disk_usage(folder).free / 1e9:.0f} GB free"


def uses(work: Path) -> Iterator[str]:
    """Yield for each use in the README whether it works here, or what is missing."""
    named = ("i3d_rgb_imagenet", "i3d_flow_imagenet")
    sources = read_sources(WEIGHTS / "sources.yaml")
    absent = [n for n in named if not (work / "results/weights" / sources[n].file).exists()]
    fetch = f"first run downloads weights, or: wstal weights fetch {' '.join(absent)}"
    data = work / "data/thumos14/annotations"
    executor = _is_there("snakemake_executor_plugin_slurm")
    yield _use(
        "the demo: wstal run demo", "" if os.access(work, os.W_OK) else f"cannot write {work}"
    )
    yield _use("your own videos, recipe i3d_tvl1", fetch if absent else "")
    yield _use("the backbones of torchvision and pytorchvideo", _lacking("backbones"))
    yield _use("decoder: decord", _lacking("decord"))
    yield _use("THUMOS14", "" if data.is_dir() else f"place its label files into {data}")
    few = shutil.disk_usage(work).free < FREE
    yield _use("flow of many videos", f"under {FREE / 1e9:.0f} GB free" if few else "")
    slurm = (
        "" if executor and shutil.which("sbatch") else "no sbatch, or pip install 'wstal[cluster]'"
    )
    yield _use("a Slurm cluster from this machine", slurm)


def _lacking(extra: str) -> str:
    packages = [name for name, each in EXTRAS.items() if each == extra]
    return "" if all(map(_is_there, packages)) else f"pip install 'wstal[{extra}]'"


def _use(name: str, missing: str) -> str:
    return f"{'not yet' if missing else 'yes    '} {name}{f': {missing}' if missing else ''}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _is_there(package: str) -> bool:
    try:
        return package in sys.modules or find_spec(package) is not None
    except (ImportError, ValueError):
        return False


COMMAND = Program(__doc__, add_arguments, doctor)
