"""Make the virtual environment `.venv` from the locked versions.

torch is chosen for the machine: the ordinary build where there is an NVIDIA GPU, a CPU build
elsewhere, so that a machine without a GPU never downloads gigabytes of CUDA libraries. If the
configured package index offers no CPU build, PyTorch's own CPU index is used.

Examples:
  python3 envs/install.py            make or update .venv
  python3 envs/install.py --lock     write the versions in .venv to envs/lock/
  python3 envs/install.py --conda    write environment.yml and envs/*.yaml from pyproject.toml
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
LOCK = ROOT / "envs" / "lock"
TORCH_LOCK, LIBRARY_LOCK = LOCK / "torch.txt", LOCK / "libraries.txt"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
TORCH = ("torch", "torchvision")
EVERYTHING = ("decord", "backbones", "vggish", "resampy", "tensorboard", "check")  # `dev` aside


def pip(*arguments: str, capture: bool = False) -> str:
    """Run pip of the environment; its output is returned or shown."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(
        command, check=True, text=True, stdout=subprocess.PIPE if capture else None
    )
    return done.stdout or ""


def pulls_cuda(requirements: Path) -> bool:
    """Whether the configured index would install CUDA libraries for these requirements."""
    report = pip(
        *("install", "--dry-run", "--quiet", "--ignore-installed", "--report", "-"),
        *("--requirement", str(requirements)),
        capture=True,
    )
    names = [item["metadata"]["name"] for item in json.loads(report)["install"]]
    return any(name.startswith(("nvidia-", "cuda-", "triton")) for name in names)


def install() -> None:
    """Create the environment and install the locked versions and the package itself."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 14):
        sys.exit(
            f"Python {sys.version.split()[0]} is not supported; use 3.11 to 3.14, for example "
            "make setup PYTHON=python3.12"
        )
    if not PYTHON.exists():
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
    pip("install", "--quiet", "--upgrade", "pip")
    cpu_only = shutil.which("nvidia-smi") is None
    index = ["--index-url", CPU_INDEX] if cpu_only and pulls_cuda(TORCH_LOCK) else []
    print(f"installing torch ({'CPU' if cpu_only else 'GPU'} build)", flush=True)
    pip("install", "--quiet", *index, "--requirement", str(TORCH_LOCK))
    print("installing the libraries", flush=True)
    pip("install", "--quiet", "--requirement", str(LIBRARY_LOCK))
    pip("install", "--quiet", "--no-deps", "--editable", str(ROOT))


def lock() -> None:
    """Write the environment's versions as the lock files."""
    lines = pip("freeze", "--exclude-editable", capture=True).splitlines()
    pinned = {line.split("==")[0].lower(): line.split("+")[0] for line in lines if "==" in line}
    torch = [pinned.pop(name) for name in TORCH]
    TORCH_LOCK.write_text("\n".join(torch) + "\n")
    LIBRARY_LOCK.write_text("\n".join(pinned.values()) + "\n")


def conda_files() -> dict[Path, str]:
    """Return the content of environment.yml and of each envs/*.yaml, from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    python = project["project"]["requires-python"]
    needed = [*project["project"]["dependencies"], *extras(project, EVERYTHING)]
    ranges = {re.split(r"[<>=;]", item)[0]: item for item in needed}
    about = "Everything, for a machine with an NVIDIA GPU: conda env create --file environment.yml"
    everything = [*ranges.values(), "--editable ."]
    files = {ROOT / "environment.yml": conda_file(about, python, everything, name="wstal")}
    for name, part in project["tool"]["wstal"]["environments"].items():
        items = [ranges[package] for package in part["packages"]]
        files[ROOT / f"envs/{name}.yaml"] = conda_file(part["about"], python, items)
    return files


def extras(project: dict, names: Iterable[str]) -> list[str]:
    """Return the requirements of these extras in pyproject.toml."""
    return [item for name in names for item in project["project"]["optional-dependencies"][name]]


def conda_file(about: str, python: str, items: list[str], name: str | None = None) -> str:
    """Return a conda environment of Python and of pip requirements, as YAML."""
    head = [f"# {about}", "# Written from pyproject.toml by `make environments`."]
    head += [f"name: {name}"] if name else []
    head += ["channels:", "  - conda-forge", "dependencies:", f"  - python{python}"]
    return "\n".join([*head, "  - pip", "  - pip:", *(f'      - "{each}"' for each in items), ""])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lock", action="store_true", help="write envs/lock/ from .venv")
    parser.add_argument("--conda", action="store_true", help="write environment.yml, envs/*.yaml")
    args = parser.parse_args()
    if args.conda:
        for path, text in conda_files().items():
            path.write_text(text)
    if args.lock:
        lock()
    if not (args.lock or args.conda):
        install()


if __name__ == "__main__":
    main()
