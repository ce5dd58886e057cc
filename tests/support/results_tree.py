"""The files of a results tree that must not depend on how often its run was interrupted."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

TARGET = "results/tiny/co2net_map.csv"
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{18}(\.\w+)?\Z")
UNCOMPARED = ("logs", "benchmarks", ".records")  # times


def digests(results: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below `results` but logs and times, hidden files included."""
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(results.rglob("*"))
        if path.is_file() and path.relative_to(results).parts[0] not in UNCOMPARED
    }


def left_over(results: Path) -> list[str]:
    """Return the temporary files below `results`."""
    return [str(path) for path in results.rglob(".*") if TEMPORARY.match(path.name)]
