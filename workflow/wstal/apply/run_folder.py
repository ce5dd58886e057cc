"""The folder of a finished run: what its files say of it, and the feature recipe it needs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from glob import escape
from pathlib import Path
from shlex import quote
from typing import Any

from wstal.base.errors import WstalError
from wstal.base.files import canonical_json
from wstal.base.user_files import file_sha256
from wstal.config.stages import recipe_digest
from wstal.features.pack import FeatureFile
from wstal.train import checkpoint

IDENTITY = ("seed", "code", "config", "features")  # of a training, in all files made from it
OF_A_RUN = ("checkpoint.pt", "proposals.json")  # one of them is in each seed of a run
NOT_FROM_VIDEO = {"imported": "are imported as published", "simulated": "are simulated"}


@dataclass(frozen=True)
class RunFolder:
    """One seed of a run: `results/{dataset}/{recipe}/{run}/seed{n}`.

    `about` is what its checkpoint says of the training, without the weights; a run that fuses
    others has `parts` by stream instead. `localize` is the config that its proposals were
    found with, None if there are none. `upstream` is the run whose scores it builds on.
    """

    path: Path
    about: Mapping[str, Any] = field(default_factory=dict)
    localize: Mapping[str, Any] | None = None
    upstream: RunFolder | None = None
    parts: Mapping[str, RunFolder] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The run's name, as `co2net-mutual_kl`."""
        return self.path.parent.name

    @property
    def checkpoint(self) -> Path:
        """The file of the trained network."""
        return self.path / "checkpoint.pt"

    @property
    def features(self) -> Path:
        """The features that it was trained on."""
        return self.path.parents[1] / "features.h5"

    @property
    def results(self) -> Path:
        """The folder of all results."""
        return self.path.parents[3]

    def trained(self) -> list[RunFolder]:
        """Return all trained runs behind this one and itself, those it builds on first."""
        below = [*self.parts.values(), *([self.upstream] if self.upstream else [])]
        runs = [run for each in below for run in each.trained()] + ([self] if self.about else [])
        return list({run.path: run for run in runs}.values())

    def streams(self) -> list[str]:
        """Return the feature streams that these runs use, sorted."""
        return sorted({name for run in self.trained() for name in run.about["config"]["streams"]})

    def checkpoints(self) -> dict[str, str]:
        """Return the sha256 of each trained run's checkpoint by the run's name."""
        return {run.name: file_sha256(run.checkpoint) for run in self.trained()}


def read_run(path: str | Path) -> RunFolder:
    """Read the run in a folder, with the runs beside it that it builds on or fuses.

    Raises WstalError with the command that makes a missing file, or that makes two files of the
    same training again.
    """
    path = Path(path).absolute()
    path = path.parent if path.name == "checkpoint.pt" else path
    about = _provenance(path / "proposals.json")
    if (path / "checkpoint.pt").is_file():
        return _trained(path, about)
    if about is not None and "fused" in about:
        return _fused(path, about)
    raise WstalError(f"{path}: there is no finished run; {_remedy(path)}")


def _remedy(path: Path) -> str:
    """Return what to do where a path has no run: name a seed near it, or make it."""
    if seeds := _seeds_near(path):
        return f"name one of its seeds: {', '.join(map(_shown, seeds))}"
    if path.parts[-5:-4] == ("results",) and path.name.startswith("seed"):
        return f"make it: {make_proposals(path)}"
    return "expected results/DATASET/RECIPE/RUN/seed0"


def _seeds_near(path: Path) -> list[Path]:
    """Return the seeds of the runs that a path may mean.

    It may be the folder of a run, that of its pages or its headline (`results/{dataset}/{run}`,
    `{run}_map.csv`), or a seed that is not there.
    """
    name = path.name.removesuffix("_map.csv")
    runs = [path, *path.parent.glob(f"*/{escape(name)}")]
    if path.is_file() or name.startswith("seed"):
        runs.append(path.parent)
    files = [file for run in runs for file in run.glob("seed*/*") if file.name in OF_A_RUN]
    return sorted({file.parent for file in files})


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _trained(path: Path, proposals: Mapping[str, Any] | None, localized: bool = True) -> RunFolder:
    run = RunFolder(path)
    if not run.checkpoint.is_file():
        raise WstalError(f"{run.checkpoint} is missing; a run that builds on it needs it")
    content = checkpoint.load(run.checkpoint)
    about = {key: content[key] for key in (*IDENTITY, "iteration", "versions", "classes")}
    with FeatureFile(run.features) as features:
        digest = str(features.attrs.get("recipe_digest"))
    if digest != about["features"]["recipe_digest"]:
        raise WstalError(
            f"{run.features} was made again with another recipe since {path} was trained; "
            f"train it again: {make_proposals(path)}"
        )
    if localized and proposals is not None and not _same(proposals, about):
        raise WstalError(
            f"{path / 'proposals.json'} is of another training: {make_proposals(path)}"
        )
    source = about["config"].get("scores_from")
    upstream = _trained(_beside(path, source), None, localized=False) if source else None
    return RunFolder(path, about, (proposals or {}).get("localize"), upstream)


def _fused(path: Path, about: Mapping[str, Any]) -> RunFolder:
    if "runs" not in about:
        raise WstalError(
            f"{path / 'proposals.json'} does not say which runs it fuses, it was made by an older "
            f"version; make it again: {make_proposals(path)}"
        )
    parts = {stream: read_run(_beside(path, name)) for stream, name in about["runs"].items()}
    for stream, part in parts.items():
        if not _same(about["fused"][stream], part.about):
            raise WstalError(f"{part.path} was trained again since {path}: {make_proposals(path)}")
        if part.localize is None:
            raise WstalError(f"{part.path} has no proposals.json: {make_proposals(part.path)}")
    return RunFolder(path, localize=about["localize"], parts=parts)


def _beside(path: Path, run: str) -> Path:
    """Return the same seed of another run on the same features."""
    return path.parents[1] / run / path.name


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(canonical_json(one.get(key)) == canonical_json(other.get(key)) for key in IDENTITY)


def _provenance(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))["external_data"]["provenance"]
    except (ValueError, KeyError, TypeError) as error:
        raise WstalError(f"{path} was not written by this project: {error!r}; remove it") from error


def make_proposals(path: Path) -> str:
    """Return the command that makes the proposals of a seed, and what they need."""
    return f"wstal run {quote(_shown(path / 'proposals.json'))}"


def run_recipe(
    recipes: Mapping[str, Mapping[str, Any]], name: str, digest: str
) -> Mapping[str, Any]:
    """Return the recipe `name` of the configuration, which must be the one of the run.

    `digest` is the one recorded in the run's features. Raises WstalError if the configuration has
    no such recipe or a changed one, and for features that are not made from videos.
    """
    recipe = video_recipe(recipes, name)
    current = recipe_digest(recipe)
    if current != digest:
        raise WstalError(
            f"the feature recipe {name} was changed since the run was trained (digest "
            f"{digest[:12]}, now {current[:12]}); restore workflow/config/features/{name}.yaml, "
            "give the settings that were used (--configfile FILE), or train the run again"
        )
    return recipe


def video_recipe(recipes: Mapping[str, Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """Return the recipe `name`.

    Raises WstalError if the configuration has no such recipe, and for one whose features are not
    made from videos.
    """
    if name not in recipes:
        near = ", ".join(get_close_matches(name, recipes, 3)) or ", ".join(sorted(recipes))
        raise WstalError(
            f"the feature recipe {name!r} is not in workflow/config/features (nearest: {near}); "
            "give the file that has it: --configfile FILE"
        )
    recipe = recipes[name]
    for stage in recipe["streams"].values():
        if stage in NOT_FROM_VIDEO:
            own = sorted(n for n, r in recipes.items() if _from_video(r))
            raise WstalError(
                f"the features of recipe {name} {NOT_FROM_VIDEO[stage]}: no video can be turned "
                f"into them. Take a recipe that starts from videos: {', '.join(own)}"
            )
    return recipe


def chosen_streams(recipe: Mapping[str, Any], names: Iterable[str] | None) -> list[str]:
    """Return the streams `names` of a recipe, or all; raises WstalError for an unknown one."""
    chosen = list(dict.fromkeys(names or recipe["streams"]))
    if unknown := [name for name in chosen if name not in recipe["streams"]]:
        raise WstalError(
            f"the recipe has no stream {', '.join(unknown)}; it has {', '.join(recipe['streams'])}"
        )
    return chosen


def _from_video(recipe: Mapping[str, Any]) -> bool:
    return not set(recipe["streams"].values()) & NOT_FROM_VIDEO.keys()
