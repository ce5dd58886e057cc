"""Check the share of lines that the tests run: 93 % of the package, 90 % of each of its rooms.

Examples:
  python tests/project/coverage_by_room.py coverage.json    # of `pytest --cov-report=json`
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

IN_ALL, EACH = 93.0, 90.0


def shares(report: dict) -> dict[str, float]:
    """Return the percentage of lines run, by room, and of the whole `package`."""
    run, lines = Counter(), Counter()
    for path, file in report["files"].items():
        for name in {"package", room_of(path)}:
            run[name] += file["summary"]["covered_lines"]
            lines[name] += file["summary"]["num_statements"]
    return {name: 100 * run[name] / lines[name] for name in sorted(lines) if lines[name]}


def too_low(found: dict[str, float]) -> list[str]:
    """Return the names that are below their limit."""
    return [
        name for name, share in found.items() if share < (IN_ALL if name == "package" else EACH)
    ]


def room_of(path: str) -> str:
    """Return the room of a file under workflow/wstal, "package" for a file beside the rooms."""
    inside = Path(path).as_posix().rpartition("workflow/wstal/")[2].split("/")
    return inside[0] if len(inside) > 1 else "package"


def main(path: str) -> int:
    found = shares(json.loads(Path(path).read_text()))
    low = too_low(found)
    for name, share in found.items():
        print(f"{name:10} {share:6.2f} %{'  below its limit' if name in low else ''}")
    return int(bool(low))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
