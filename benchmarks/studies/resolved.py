"""Resolve wstal for each supported Python and platform, and record what would be installed.

`uv pip compile` resolves for another machine than this one, from wheels. A package that has none
for it is taken from source, and recorded so. Nothing is installed.

Examples:
  python -m benchmarks.studies.resolved            write benchmarks/results/resolved.json
  python -m benchmarks.studies.resolved --dry-run
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from benchmarks.record import record_parser, write_record

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {  # as uv calls them
    "Linux x86-64": "x86_64-manylinux_2_28",
    "Linux aarch64": "aarch64-manylinux_2_28",
    "macOS arm64": "aarch64-apple-darwin",
}
EXTRAS = ("decord", "backbones", "vggish", "resampy", "archives", "tensorboard", "check", "cluster")
NO_WHEEL = re.compile(r"Wheels are required for `([\w.-]+)`")


class Unresolved(Exception):
    """The requirements have no solution."""


def resolve(requirements: list[str], python: str, platform: str, built: set[str]) -> dict[str, str]:
    """Return the version of each package; `source` after it where it is built on the machine.

    `built` are packages known to have no wheel; more are added. Raises Unresolved.
    """
    while True:
        with tempfile.TemporaryDirectory() as folder:
            wanted = Path(folder, "wanted.in")
            wanted.write_text("\n".join(requirements) + "\n")
            command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header"]
            command += ["--no-annotate", "--python-version", python, "--python-platform", platform]
            command += ["--only-binary", ":all:"]
            command += [word for name in sorted(built) for word in ("--no-binary", name)]
            done = subprocess.run([*command, str(wanted)], text=True, capture_output=True)
        words = " ".join(re.sub(r"[^\x00-\x7f]", " ", done.stderr).split())
        if not done.returncode:
            pins = dict(line.split("==") for line in done.stdout.splitlines() if "==" in line)
            return {name: f"{v}{' source' * (name in built)}" for name, v in pins.items()}
        lacking = NO_WHEEL.search(words)
        if not lacking or lacking[1] in built:
            raise Unresolved(words)
        built.add(lacking[1])


def resolve_all() -> dict[str, Any]:
    """Return by platform and Python what the plain installation has, and what all extras add.

    Where they have no solution together, they are resolved one by one.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed, extras = project["dependencies"], project["optional-dependencies"]
    every = [item for extra in EXTRAS for item in extras[extra]]
    results: dict[str, Any] = {}
    for title, platform in PLATFORMS.items():
        for python in PYTHONS:
            built: set[str] = set()
            plain = resolve(needed, python, platform, built)
            without: dict[str, str] = {}
            try:
                added = resolve([*needed, *every], python, platform, built)
            except Unresolved:
                added = {}
                for extra in EXTRAS:
                    try:
                        added |= resolve([*needed, *extras[extra]], python, platform, built)
                    except Unresolved as error:
                        without[extra] = str(error)
            more = {name: each for name, each in added.items() if name not in plain}
            found = {"plain": plain, "extras": more, "without": without}
            results[f"{title}, Python {python}"] = found
            source = [name for name, each in (plain | more).items() if each.endswith("source")]
            print(f"{title}, Python {python}: {len(plain)} packages, {len(more)} in extras;")
            print(f"  from source: {source}; no solution: {list(without)}", flush=True)
    return results


if __name__ == "__main__":
    args = record_parser(__doc__).parse_args()
    found = resolve_all()
    if not args.dry_run:
        write_record("resolved", found, settings={"platforms": PLATFORMS, "extras": EXTRAS})
