"""Make the virtual environment `.venv` from the locked versions.

torch is chosen for the machine: the ordinary build where there is an NVIDIA GPU, a CPU build
elsewhere, so that a machine without a GPU never downloads gigabytes of CUDA libraries. If the
configured package index offers no CPU build, PyTorch's own CPU index is used. The build decides
which file is right, so torch is locked by version, everything else by version and hash.

Examples:
  python3 envs/install.py            make or update .venv
  python3 envs/install.py --lock     write envs/lock/libraries.txt from pyproject.toml
  python3 envs/install.py --conda    write environment.yml and envs/*.yaml from pyproject.toml
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
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
TORCH_NEEDS = ("filelock", "fsspec", "jinja2", "networkx", "sympy", "typing-extensions")  # of both
UNLOCKED = ("cluster", "docs")  # extras of their own time and place
EVERYTHING = (  # UNLOCKED and `dev` aside
    "decord",
    "backbones",
    "transformers",
    "timm",
    "open_clip",
    "vggish",
    "resampy",
    "archives",
    "tensorboard",
    "check",
)


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
    pip("install", "--quiet", "--no-compile", *index, "--requirement", str(TORCH_LOCK))
    print("installing the libraries", flush=True)
    install_libraries()
    pip("install", "--quiet", "--no-deps", "--editable", str(ROOT))
    # On all cores, which pip does not do. Templates of code are no Python, so errors say nothing.
    packages = sysconfig.get_path("purelib", "venv", {"base": str(ENVIRONMENT)})
    subprocess.run([str(PYTHON), "-m", "compileall", "-qq", "-j", "0", packages])


def install_libraries() -> None:
    """Install the locked libraries by uv, which takes half of pip's time, or else by pip.

    The lock is complete, so that nothing is added to it; each file must be the one that was locked.
    """
    wanted = ["--quiet", "--no-deps", "--require-hashes", "--requirement", str(LIBRARY_LOCK)]
    by_uv = [str(PYTHON), "-m", "uv", "pip", "install", "--python", str(PYTHON)]
    try:
        pip("install", "--quiet", "uv")
        subprocess.run([*by_uv, *pip_index(), *wanted], check=True)
    except subprocess.CalledProcessError:
        print("uv could not install them; pip does", flush=True)
        pip("install", "--no-compile", *wanted)


def pip_index() -> list[str]:
    """Return uv's arguments for the package index that pip is configured with, if it has one."""
    for line in pip("config", "list", capture=True).splitlines():
        key, _, value = line.partition("=")
        if key.endswith(".index-url"):  # of a file or, `:env:`, of the environment
            return ["--default-index", value.strip("'")]
    return []


def lock() -> None:
    """Write the lock of the libraries, with hashes, for every Python and platform.

    Versions that are locked already are kept. torch and torchvision are locked by their version
    alone (torch.txt): the file differs with the build, for a CPU or for CUDA, and with the index.
    """
    project = read_project()
    locked = [name for name in project["project"]["optional-dependencies"] if name not in UNLOCKED]
    needed = [*project["project"]["dependencies"], *extras(project, locked), *TORCH_NEEDS]
    lines = [item for item in needed if name_of(item) not in TORCH]
    with tempfile.TemporaryDirectory() as folder:
        wanted, without = Path(folder, "wanted.in"), Path(folder, "without.in")
        wanted.write_text("\n".join(lines) + "\n")
        without.write_text("\n".join(TORCH) + "\n")
        pip("install", "--quiet", "uv")
        command = [
            "-m",
            "uv",
            "pip",
            "compile",
            "--quiet",
            "--universal",
            "--python-version",
            "3.11",
        ]
        command += ["--generate-hashes", "--no-annotate", "--no-header", "--excludes", str(without)]
        command += ["--output-file", str(LIBRARY_LOCK), str(wanted)]
        subprocess.run([str(PYTHON), *command], check=True)


def read_project() -> dict:
    """Return the content of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def name_of(requirement: str) -> str:
    """Return the name of the package that a requirement is about."""
    return re.split(r"[<>=;\[ ]", requirement)[0]


def conda_files() -> dict[Path, str]:
    """Return the content of environment.yml and of each envs/*.yaml, from pyproject.toml."""
    project = read_project()
    python = project["project"]["requires-python"]
    needed = [*project["project"]["dependencies"], *extras(project, EVERYTHING)]
    ranges = {name_of(item): item for item in needed}
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
    parser.add_argument("--lock", action="store_true", help="write envs/lock/libraries.txt")
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
