"""What decoding knows of a probed video: apart from how videos are listed, named and found.

The digest of the decoding stages covers what they import, and with it every feature's key: an
edit to the reading of labels or the search for files must not be among that.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from wstal.store import BROKEN, MISSING


@dataclass(frozen=True)
class ProbedVideo:
    """One row of the probe: what later stages need to know."""

    id: str
    path: Path
    sha256: str
    status: str
    reason: str

    @property
    def usable(self) -> bool:
        """Whether there is anything to decode."""
        return self.status not in (MISSING, BROKEN)


def read_probe(path: str | Path) -> list[ProbedVideo]:
    """The videos of a probe CSV."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        return [
            ProbedVideo(row["id"], Path(row["path"]), row["sha256"], row["status"], row["reason"])
            for row in csv.DictReader(file)
        ]
