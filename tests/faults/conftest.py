"""One table of all faults: how many were tried, and what became of the results.

survived: the same command, or the message's own remedy, ends in the right results. lost: a result
that was finished is gone or cannot be made. silent: wrong, missing or damaged numbers without a
word. executed: text from input that ran as a program. The last three must be 0.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from results_tree import TARGET, digests
from workflow_project import Project, small_project
from wstal.base.files import read_cached

from benchmarks.record import FOLDER, commit, write_record

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
    """A checkout in which the target is made, the digests of its results and the run's time.

    Tests work in its folder, since some records have its path, and `kept` is a copy beside it.
    """

    project: Project
    digests: dict[str, str]
    seconds: float

    @property
    def root(self) -> Path:
        return self.project.root

    @property
    def limit(self) -> float:
        """Seconds after which a run hangs."""
        return max(300, 3 * self.seconds)

    @property
    def kept(self) -> Path:
        return self.root.with_name("kept")


@pytest.fixture
def finished(made_once) -> Iterator[Finished]:
    """A finished checkout, which a test may change."""
    yield made_once
    shutil.rmtree(made_once.root)
    shutil.copytree(made_once.kept, made_once.root)


@pytest.fixture(scope="session")
def made_once(project, tmp_path_factory) -> Finished:
    """Four rendered videos, taken from video to mAP without a fault.

    WSTAL_FAULTS_FOLDER keeps them from one session to the next, to work on one of the tests.
    """
    given = os.environ.get("WSTAL_FAULTS_FOLDER")
    folder = Path(given) if given else tmp_path_factory.mktemp("faults")
    root, time_file = folder / "wstal", folder / "seconds.txt"
    if not time_file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        small_project(project, root).snakemake(TARGET)
        time_file.write_text(str(time.monotonic() - begun))
        shutil.copytree(root, folder / "kept")
    return Finished(Project(root), digests(root / "results"), float(time_file.read_text()))


def pytest_terminal_summary(terminalreporter, config) -> None:
    rows = {part: _rows[part] for part in PARTS if part in _rows}
    if not rows:
        return
    lines = [f"{'fault':<15}" + "".join(f"{name:>10}" for name in COLUMNS)]
    for part, counts in [*rows.items(), ("all", sum(rows.values(), Counter()))]:
        lines.append(f"{part:<15}" + "".join(f"{counts[name]:>10,}" for name in COLUMNS))
    terminalreporter.write_sep("-", "faults")
    terminalreporter.write_line("\n".join(lines))
    some = any("::" in word for word in config.args) or config.option.keyword
    if not (some or os.environ.get("WSTAL_FAULTS_KILLS")):
        _record(rows)


def _record(rows: dict[str, Counter[str]]) -> None:
    """Write these rows with the commit that they belong to; other parts keep theirs."""
    before = read_cached(FOLDER / "results/faults.json") or {"results": {}, "settings": {}}
    made = {
        part: {name: counts[name] for name in COLUMNS} | {"commit": commit()}
        for part, counts in rows.items()
    }
    for part, row in before["results"].items():
        made.setdefault(part, {**row, "commit": row.get("commit", before.get("commit"))})
    results = {part: made[part] for part in PARTS if part in made}
    write_record("faults", results, settings=before["settings"] | _settings)


_settings: dict[str, object] = {}


@pytest.fixture(scope="session")
def settings() -> dict[str, object]:
    """What the record says about how the faults were made: seeds, sizes, kinds."""
    return _settings
