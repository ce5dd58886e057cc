"""One table of all faults: how many were tried, and what became of the results.

survived: the same command, or the message's own remedy, ends in the right results. lost: a result
that was finished is gone or cannot be made. silent: wrong, missing or damaged numbers without a
word. executed: text from input that ran as a program. The last three must be 0.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from results_tree import TARGET, digests
from workflow_project import Project, small_project

from benchmarks.record import write_record

COLUMNS = ("tried", "survived", "lost", "silent", "executed")
PARTS = ("kills", "power cuts", "full disks", "fuzzed media", "hostile input", "two processes")
_rows: dict[str, Counter[str]] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def table() -> dict[str, Counter[str]]:
    """The counts of each part, by its name in `PARTS`; a test adds to them and asserts at its end."""
    return _rows


@dataclass(frozen=True)
class Finished:
    """A checkout in which the target is made, the digests of its results and the run's time."""

    project: Project
    digests: dict[str, str]
    seconds: float


@pytest.fixture(scope="session")
def finished(project, tmp_path_factory) -> Finished:
    """Four rendered videos, taken from video to mAP without a fault.

    WSTAL_FAULTS_FINISHED names such a checkout, which saves its run where one part is tried.
    """
    if made := os.environ.get("WSTAL_FAULTS_FINISHED"):
        return Finished(Project(Path(made)), digests(Path(made) / "results"), 60.0)
    small = small_project(project, tmp_path_factory.mktemp("faults") / "wstal")
    begun = time.monotonic()
    small.snakemake(TARGET)
    return Finished(small, digests(small.root / "results"), time.monotonic() - begun)


def pytest_terminal_summary(terminalreporter) -> None:
    rows = {part: _rows[part] for part in PARTS if part in _rows}
    if not rows:
        return
    lines = [f"{'fault':<15}" + "".join(f"{name:>10}" for name in COLUMNS)]
    for part, counts in [*rows.items(), ("all", sum(rows.values(), Counter()))]:
        lines.append(f"{part:<15}" + "".join(f"{counts[name]:>10,}" for name in COLUMNS))
    terminalreporter.write_sep("-", "faults")
    terminalreporter.write_line("\n".join(lines))
    if set(rows) == set(PARTS) and not os.environ.get("WSTAL_FAULTS_DRY_RUN"):
        results = {part: {name: counts[name] for name in COLUMNS} for part, counts in rows.items()}
        write_record("faults", results, settings=dict(_settings))


_settings: dict[str, object] = {}


@pytest.fixture(scope="session")
def settings() -> dict[str, object]:
    """What the record says about how the faults were made: seeds, sizes, kinds."""
    return _settings
