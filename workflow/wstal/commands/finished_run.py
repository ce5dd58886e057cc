"""The files of a finished run, from what a person names of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shlex import quote

from wstal.base.errors import WstalError
from wstal.base.files import read_table
from wstal.evaluate.ground_truth import GroundTruth, read_ground_truth, read_usable
from wstal.evaluate.map_table import COLUMNS

SUFFIX = "_map.csv"


@dataclass(frozen=True)
class FinishedRun:
    """A run in `results/{dataset}/{recipe}/{run}`, with the folders of its seeds, in order."""

    folder: Path
    seeds: tuple[Path, ...]

    @property
    def name(self) -> str:
        """The run's name, as `co2net`."""
        return self.folder.name

    @property
    def recipe(self) -> Path:
        """The folder of the recipe's features."""
        return self.folder.parent

    @property
    def dataset(self) -> Path:
        """The folder of the dataset's results."""
        return self.folder.parents[1]

    def of_seeds(self, name: str) -> list[Path]:
        """Return a file of every seed; empty if one of them lacks it."""
        paths = [seed / name for seed in self.seeds]
        return paths if all(path.is_file() for path in paths) else []

    def files(self) -> list[Path]:
        """Return what may be read of the run: the files of its seeds, and the annotations."""
        return [path for seed in self.seeds for path in seed.iterdir()] + [
            self.dataset / "annotations.json"
        ]

    def require(self, name: str) -> list[Path]:
        """Return a file of every seed; raise WstalError that says what makes a missing one."""
        for path in (seed / name for seed in self.seeds):
            if not path.is_file():
                raise WstalError(f"{path} is missing; make it: wstal run {quote(str(path))}")
        return self.of_seeds(name)

    def measured(self) -> list[dict[str, str]]:
        """Return the rows of the first seed's map.csv."""
        return read_table(self.require("map.csv")[0], COLUMNS, key=None)

    @cached_property
    def protocol(self) -> str:
        """The name of the protocol that scored the run."""
        return self.measured()[0]["protocol"]

    @cached_property
    def note(self) -> str:
        """The note beside the run's numbers, such as `demo data`; empty without a headline."""
        for folder in (self.folder, self.dataset):
            path = folder / f"{self.name}{SUFFIX}"
            if path.is_file():
                return read_table(path, ("note",), key=None)[0]["note"]
        return ""

    @cached_property
    def truth(self) -> GroundTruth:
        """The dataset's annotations."""
        return read_ground_truth(self.dataset / "annotations.json")

    def usable(self) -> set[str]:
        """Return the ids of the videos for validation and test that have features."""
        scored = [video for video, subset in self.truth.subset.items() if subset != "train"]
        return read_usable(self.recipe / "coverage.csv", scored)

    def about(self) -> dict[str, object]:
        """Return the run's names, for a page."""
        number = int(self.seeds[0].name.removeprefix("seed"))
        return {
            "title": self.dataset.name,
            "dataset": self.dataset.name,
            "run": self.name,
            "recipe": self.recipe.name,
            "seed": number,
        }


def find_run(path: Path) -> FinishedRun:
    """Return the run that a path means.

    That is its folder with the seeds, one seed's folder, its headline `{run}_map.csv`, or the
    folder of its pages beside the headline. Raises WstalError that says what was expected.
    """
    if path.name.startswith("seed") and (path / "scores.h5").is_file():
        return FinishedRun(path.absolute().parent, (path.absolute(),))
    folder = path.with_name(path.name.removesuffix(SUFFIX)) if path.is_file() else path
    seeds = _seeds(folder)
    headline = folder.parent / f"{folder.name}{SUFFIX}"
    if not seeds and headline.is_file():
        rows = read_table(headline, ("recipe",), key=None)
        folder = folder.parent / rows[0]["recipe"] / folder.name
        seeds = _seeds(folder)
    if not seeds:
        raise WstalError(
            f"{path}: there is no finished run; expected results/DATASET/RUN, its _map.csv, "
            "results/DATASET/RECIPE/RUN or one of its seeds"
        )
    return FinishedRun(folder.absolute(), tuple(seeds))


def _seeds(folder: Path) -> list[Path]:
    found = (path.parent for path in folder.absolute().glob("seed*/scores.h5"))
    return sorted(found, key=lambda seed: (len(seed.name), seed.name))
