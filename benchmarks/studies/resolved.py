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
EXTRAS = ("decord", "backbones", "vggish", "resampy", "tensorboard", "check", "cluster")
NO_WHEEL = re.compile(r"Wheels are required for `([\w.-]+)`")


class Unresolved(Exception):
    """The requirements have no solution."""


def resolve(requirements: list[str], python: str, platform: str) -> dict[str, str]:
    """Return the version of each package; `source` after it where it is built on the machine.

    Raises Unresolved.
    """
    built: list[str] = []
    while True:
        with tempfile.TemporaryDirectory() as folder:
            wanted = Path(folder, "wanted.in")
            wanted.write_text("\n".join(requirements) + "\n")
            command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header"]
            command += ["--no-annotate", "--python-version", python, "--python-platform", platform]
            command += ["--only-binary", ":all:"]
            command += [word for name in built for word in ("--no-binary", name)]
            done = subprocess.run([*command, str(wanted)], text=True, capture_output=True)
        words = " ".join(re.sub(r"[^\x00-\x7f]", " ", done.stderr).split())
        if not done.returncode:
            pins = dict(line.split("==") for line in done.stdout.splitlines() if "==" in line)
            return {name: f"{v}{' source' * (name in built)}" for name, v in pins.items()}
        lacking = NO_WHEEL.search(words)
        if not lacking or lacking[1] in built:
            raise Unresolved(words)
        built.append(lacking[1])


def resolve_all() -> dict[str, Any]:
    """Return by platform and Python what the plain installation has, and what each extra adds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed, extras = project["dependencies"], project["optional-dependencies"]
    results: dict[str, Any] = {}
    for title, platform in PLATFORMS.items():
        for python in PYTHONS:
            found: dict[str, Any] = {"plain": resolve(needed, python, platform), "extras": {}}
            for extra in EXTRAS:
                try:
                    more = resolve([*needed, *extras[extra]], python, platform)
                    found["extras"][extra] = dict(sorted(more.items() - found["plain"].items()))
                except Unresolved as error:
                    found["extras"][extra] = f"no solution: {error}"
            results[f"{title}, Python {python}"] = found
            built = [name for name, each in found["plain"].items() if each.endswith("source")]
            none = [name for name, each in found["extras"].items() if isinstance(each, str)]
            count = len(found["plain"])
            print(f"{title}, Python {python}: {count}, from source {built}, no {none}", flush=True)
    return results


if __name__ == "__main__":
    args = record_parser(__doc__).parse_args()
    found = resolve_all()
    if not args.dry_run:
        write_record("resolved", found, settings={"platforms": PLATFORMS, "extras": EXTRAS})
