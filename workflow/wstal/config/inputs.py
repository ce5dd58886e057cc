"""Which files a job needs, as functions of its wildcards: the input functions of the rules.

Everything here is plain Python. What a rule's file needs of Snakemake is given to `Inputs`: how to
mark a file whose age does not count, and which error ends the planning of jobs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from wstal.base.errors import WstalError
from wstal.config import dataset_files
from wstal.config.catalog import Catalog
from wstal.config.installation import shipped_file
from wstal.config.targets import (
    Strips,
    asked_for,
    gap_runs,
    no_method,
    printed_row,
    suited_methods,
    table_figures,
    table_runs,
    text_streams,
    zero_shot_reason,
)

Wildcards = Any  # attributes and `get`, as Snakemake gives them
Weights = Mapping[str, Mapping[str, Any]]  # workflow/reference/weights/sources.yaml, by name
Files = list[str]


class Inputs:
    """The files of jobs, by the catalog and the known weights.

    `ancient` marks a path whose age does not count, `refuse` is the error for a job that cannot be
    planned, `stop` ends the run with a message: Snakemake says nothing of an error in an input
    function where the job's output is there already, and takes that output as it is.
    """

    def __init__(
        self,
        catalog: Catalog,
        weights: Weights,
        ancient: Callable[[str], Any] = str,
        refuse: type[Exception] = WstalError,
        stop: Callable[[str], Any] | None = None,
    ) -> None:
        self.catalog, self.sources = catalog, weights
        self.datasets, self.recipes = catalog.datasets, catalog.features
        self._ancient, self._refuse, self._stop = ancient, refuse, stop

    # A dataset's own files

    def of_dataset(self, which: Callable[[str, Mapping[str, Any]], Any]) -> Callable:
        """Return `which`, a function of a dataset's name and YAML, as a function of wildcards.

        What it refuses ends the run.
        """

        def value(wildcards: Wildcards) -> Any:
            try:
                return which(wildcards.dataset, self.datasets[wildcards.dataset])
            except WstalError as error:
                if self._stop is None:
                    raise
                return self._stop(str(error))

        return value

    def listed_files(self, wildcards: Wildcards) -> list[Any]:
        """Return the label files that videos and labels are listed from.

        Own ones whatever their age: the param `listed` says what they change. It has no label of a
        test video, so that a corrected one packs and trains nothing again. Snakemake cannot say so
        further down: of what follows a job that runs, it does not ask whether params changed.
        """
        files = self.of_dataset(dataset_files.sound_video_files)(wildcards)
        return [self._ancient(path) for path in files] if self._is_own(wildcards) else files

    def probed_videos(self, wildcards: Wildcards) -> Any:
        """Return what names the videos of a shard.

        Own labels change with every video added, and the param `listing` says which shard that
        concerns: so the label file itself, whatever its age. With videos.json every shard would run
        again, as it does with own labels in a JSON, which has times that a probe is not to read.
        """
        if self._is_own(wildcards):
            labels = self.of_dataset(dataset_files.video_files)(wildcards)[0]
            if labels.endswith(".csv"):
                return self._ancient(labels)
        return f"results/{wildcards.dataset}/videos.json"

    def naming_files(self, wildcards: Wildcards) -> Files:
        """Return the label files that may name the rows of published features; own ones do not."""
        own = self._is_own(wildcards)
        return [] if own else self.of_dataset(dataset_files.video_files)(wildcards)

    def given_proposals(self, wildcards: Wildcards) -> str:
        """Return the file of another tool's proposals, by their name in the dataset's YAML."""
        given = self.datasets[wildcards.dataset]["proposals"]
        if wildcards.given not in given:
            raise self._refuse(
                f"dataset {wildcards.dataset} has no proposals {wildcards.given!r}; its YAML names "
                f"{', '.join(given) or 'none'} under `proposals:`"
            )
        return given[wildcards.given]

    def _is_own(self, wildcards: Wildcards) -> bool:
        return self.datasets[wildcards.dataset]["kind"] == "folder"

    # Features

    def weights(self, section: str, stream: str | None = None) -> Callable:
        """Return a function: the file of the weights that a recipe names; none if untrained.

        `section` may have wildcards, as `{backbone}`; of several weights, `stream` says which.
        """

        def path(wildcards: Wildcards) -> Any:
            name = weights_name(self.recipes, section, stream, wildcards)
            found = self.weights_file(name)
            # A checkout sets the date of a shipped file: the param `weights` has its content.
            is_shipped = self.sources.get(name, {}).get("shipped")
            return (self._ancient(found) if is_shipped else found) or []

        return path

    def weights_file(self, name: str) -> str | None:
        """Return the file of named weights; None for a name that is not known."""
        found = dataset_files.weights_path(name, self.sources)
        return shipped_file(found) if self.sources.get(name, {}).get("shipped") else found

    def text_stream(self, wildcards: Wildcards) -> tuple[str, str]:
        """Return the first stream of a recipe whose backbone reads text, and that backbone.

        A recipe without one is refused.
        """
        if found := text_streams(self.catalog, wildcards.recipe):
            return found[0]
        reads = [name for name, each in self.catalog.backbones.items() if each["text"]]
        recipes = [name for name in self.recipes if text_streams(self.catalog, name)]
        raise self._refuse(
            f"recipe {wildcards.recipe} has no stream in a space with text, which zero_shot needs; "
            f"ask for {' or '.join(recipes)}, or name one of {', '.join(reads)} under `streams:`"
        )

    def text_weights(self, wildcards: Wildcards) -> Any:
        """Return the file of the weights of that backbone; none for a folder."""
        return self.weights(self.text_stream(wildcards)[1])(wildcards)

    def backbone_flow(self, wildcards: Wildcards) -> str | list[str]:
        """Return the flow of a shard for a backbone that sees flow; none for the others."""
        entry = self.recipes[wildcards.recipe][wildcards.backbone]["entry"]
        pattern = "results/{dataset}/{recipe}/flow/shard{shard}.csv"
        return pattern.format(**wildcards) if entry["input"] == "flow" else []

    def pca_parameters(self, wildcards: Wildcards) -> Any:
        """Return the parameters of VGGish's postprocess, if the recipe asks for one."""
        vggish = self.recipes[wildcards.recipe]["vggish"]
        if vggish["postprocess"] == "none":
            return []
        return self.weights_file(vggish["pca"]) or vggish["pca"]

    def unrefused(self, pattern: str) -> Callable:
        """Return a function: a path, or the error that the dataset lacks what a recipe needs."""

        def path(wildcards: Wildcards) -> str:
            dataset, recipe = self.datasets[wildcards.dataset], wildcards.recipe
            imports = "import" in self.recipes[recipe]
            if problem := dataset_files.refusal(wildcards.dataset, dataset, recipe, imports):
                raise self._refuse(problem)
            return pattern.format(**wildcards)

        return path

    def videos_manifest(self, wildcards: Wildcards) -> str:
        """Return the manifest of the videos and their durations.

        A recipe that imports its features has a manifest of its own.
        """
        name = wildcards.dataset
        recipe = wildcards.get("recipe", self.datasets[name]["recipe"])
        own = f"{recipe}/" if "import" in self.recipes[recipe] else ""
        return f"results/{name}/{own}manifest.csv"

    def packed(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what features.h5 is made of; refuse a dataset that the recipe does not suit."""
        manifest = self.unrefused("results/{dataset}/manifest.csv")
        return {"manifest": manifest(wildcards), "shards": self.feature_shards(wildcards)}

    def imported(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what published features are matched with; errors as of `packed`."""
        annotations = self.unrefused("results/{dataset}/videos.json")
        return {"annotations": annotations(wildcards), "labels": self.naming_files(wildcards)}

    def feature_shards(self, wildcards: Wildcards) -> Files:
        """Return the shard manifests of every stage that makes a stream of the recipe."""
        stages = sorted(set(self.recipes[wildcards.recipe]["streams"].values()))
        folder = f"results/{wildcards.dataset}/{wildcards.recipe}"
        count = self.datasets[wildcards.dataset]["shards"]
        return [f"{folder}/{stage}/shard{shard}.csv" for stage in stages for shard in range(count)]

    def sound_shards(self, wildcards: Wildcards) -> Files:
        """Return the manifests of the sound kept for the default recipe, if it has any."""
        dataset = self.datasets[wildcards.dataset]
        recipe = self.recipes[dataset["recipe"]]
        if "import" in recipe or "vggish" not in recipe["streams"].values():
            return []
        folder = f"results/{wildcards.dataset}/{dataset['recipe']}/audio"
        return [f"{folder}/shard{shard}.csv" for shard in range(dataset["shards"])]

    # Runs

    def shards(self, pattern: str) -> Callable:
        """Return a function: a path for each shard of the dataset."""

        def paths(wildcards: Wildcards) -> Files:
            count = self.datasets[wildcards.dataset]["shards"]
            return [pattern.format(shard=shard, **wildcards) for shard in range(count)]

        return paths

    def seeds(self, pattern: str) -> Callable:
        """Return a function: a path for each seed of the dataset."""

        def paths(wildcards: Wildcards) -> Files:
            each = self.catalog.seeds(wildcards.dataset, wildcards.get("run", ""))
            return [pattern.format(seed=seed, **wildcards) for seed in each]

        return paths

    def default_recipe(self, pattern: str) -> Callable:
        """Return a function: a path with the dataset's own recipe filled in."""

        def path(wildcards: Wildcards) -> str:
            recipe = self.datasets[wildcards.dataset]["recipe"]
            return pattern.format(recipe=recipe, **wildcards)

        return path

    def of_seeds(self, file: str, run: str = "run") -> Callable:
        """Return a function: a file of every seed of a run with the dataset's own recipe."""

        def paths(wildcards: Wildcards) -> Files:
            name, named = wildcards.dataset, wildcards[run]
            folder = f"results/{name}/{self.datasets[name]['recipe']}/{named}"
            return [f"{folder}/seed{seed}/{file}" for seed in self.catalog.seeds(name, named)]

        return paths

    def of_first_seed(self, file: str) -> Callable:
        """Return a function: the same of the dataset's first seed alone."""
        paths = self.of_seeds(file)
        return lambda wildcards: paths(wildcards)[:1]

    def of_run(self, key: str, *files: str, stream: str | None = None) -> Callable:
        """Return a function: files of the run or runs that a run's config names under `key`.

        They have the same recipe and seed. With `stream`: of the run that it names for that stream.
        """

        def paths(wildcards: Wildcards) -> Files:
            config = self.catalog.run_config(wildcards.dataset, wildcards.run, wildcards.recipe)
            if (joined := config.get("fuse_from")) and not stream:
                raise self._refuse(
                    f"{wildcards.run} is not trained, it joins {', '.join(joined.values())}: ask "
                    "for theirs"
                )
            named = config[key][stream] if stream else config.get(key)
            runs = [named] if isinstance(named, str) else named or []
            folder = "results/{dataset}/{recipe}/{{}}/seed{seed}".format(**wildcards)
            names = [file.format(**wildcards) for file in files]
            return [f"{folder.format(run)}/{name}" for run in runs for name in names]

        return paths

    def given_checkpoint(self, wildcards: Wildcards) -> str:
        """Return the file of an imported run's seed, as the dataset's YAML names it."""
        given = self.datasets[wildcards.dataset]["checkpoints"].get(wildcards.run, [])
        if int(wildcards.seed) >= len(given):
            raise self._refuse(
                f"dataset {wildcards.dataset} names {len(given)} checkpoints of {wildcards.run}; "
                f"name the file of seed {wildcards.seed} in its YAML: `checkpoints: "
                f"{{{wildcards.run}: [/path/to/best.pkl]}}`"
            )
        return given[int(wildcards.seed)]

    def given_by_runs(self, wildcards: Wildcards) -> dict[str, Files]:
        """Return what training takes of other runs: scores as `upstream`, weights as `initial`.

        As `teachers`: scores of the training videos, a file per run.
        """
        upstream = self.of_run("scores_from", "scores_train.h5", "scores.h5")
        initial = self.of_run("init_from", "checkpoint.pt")
        teachers = self.of_run("teachers", "scores_train.h5")
        given = {"upstream": upstream, "initial": initial, "teachers": teachers}
        return {name: paths(wildcards) for name, paths in given.items()}

    def training(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what training reads: from other runs, the features and the labels."""
        features = "results/{dataset}/{recipe}/features.h5".format(**wildcards)
        labels = "results/{dataset}/training_labels.json".format(**wildcards)
        runs = self.given_by_runs(wildcards)
        return {**runs, "features": features, "annotations": labels}

    def scoring(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what scores are made of: the features, the network, and the run it builds on."""
        folder = "results/{dataset}/{recipe}".format(**wildcards)
        checkpoint = "{run}/seed{seed}/checkpoint.pt".format(**wildcards)
        upstream = self.of_run("scores_from", "scores{part}.h5")
        files = {"features": f"{folder}/features.h5", "checkpoint": f"{folder}/{checkpoint}"}
        return {**files, "upstream": upstream(wildcards)}

    def for_task(self, task: str, files: str | Callable) -> Callable:
        """Return a function: the files, if the dataset has this task; none if it has another.

        A run that joins proposals gives no class for a second: it is refused for events.
        """

        def chosen(wildcards: Wildcards) -> Any:
            if self.datasets[wildcards.dataset]["task"] != task:
                return []
            if task == "events" and wildcards.run in self.catalog.fused():
                raise self._refuse(
                    f"dataset {wildcards.dataset} has `task: events`, and {wildcards.run} joins "
                    "the proposals of other runs, so it gives no class for a second; ask for one "
                    "of those runs"
                )
            return files(wildcards) if callable(files) else files.format(**wildcards)

        return chosen

    def of_detections(self, files: Callable) -> Callable:
        """Return a function: the files; a dataset without detections is refused."""

        def required(wildcards: Wildcards) -> Any:
            if self.datasets[wildcards.dataset]["task"] != "detection":
                raise self._refuse(
                    f"dataset {wildcards.dataset} has `task: events`: there are no detections to "
                    "judge; the recall of each class is in every seed's map.csv"
                )
            return files(wildcards)

        return required

    def compared_files(self, wildcards: Wildcards) -> dict[str, Files]:
        """Return what two runs are compared by: every seed's proposals, or scores for events."""
        files = {"": "proposals.json", "_by_iteration": "proposals_by_iteration.json.gz"}
        if self.datasets[wildcards.dataset]["task"] == "events":
            files = {"": "scores.h5", "_by_iteration": "scores_by_iteration.h5"}
        return {
            f"{side}{kind}": self.of_seeds(file, run)(wildcards)
            for side, run in (("a", "run"), ("b", "other"))
            for kind, file in files.items()
        }

    # Tables and figures

    def suited_maps(self, wildcards: Wildcards) -> Files:
        """Return the headlines of every method that suits the dataset; if none does, refuse.

        That of zero_shot is among them if the dataset's recipe has it.
        """
        if problem := no_method(self.catalog, wildcards.dataset):
            raise self._refuse(problem)
        runs = suited_methods(self.catalog, wildcards.dataset)
        recipe = self.datasets[wildcards.dataset]["recipe"]
        if not zero_shot_reason(self.catalog, recipe):
            runs.append(f"{recipe}/zero_shot")
        return [f"results/{wildcards.dataset}/{run}_map.csv" for run in runs]

    def table_paper(self, wildcards: Wildcards) -> str:
        """Return the CSV of the paper's numbers behind a table."""
        file = self.catalog.tables[wildcards.table]["paper"]
        return shipped_file(f"workflow/reference/paper_tables/{file}")

    def table_results(self, wildcards: Wildcards) -> Files:
        """Return the headline of every run in a table, on the paper's dataset or on {dataset}.

        If the table has the metric mmacs, also what the runs compute.
        """
        table = self.catalog.tables[wildcards.table]
        kinds = ["map", "macs"] if "mmacs" in table["metrics"] else ["map"]
        pairs = table_runs(table, wildcards.get("dataset"))
        return [f"results/{dataset}/{run}_{kind}.csv" for kind in kinds for dataset, run in pairs]

    def gap_maps(self, wildcards: Wildcards) -> Files:
        """Return a run's headline, and those of other runs that may explain its gap to the paper.

        Of these only the ones that are there, or asked for in the same command: the page lists the
        others with their targets.
        """
        dataset, run = wildcards.dataset, wildcards.run
        others = [each["target"] for each in gap_runs(self.catalog, dataset, run)]
        asked = set(asked_for(sys.argv))
        there = [path for path in others if path in asked or Path(path).exists()]
        return [f"results/{dataset}/{run}_map.csv", *there]

    def gap_paper(self, wildcards: Wildcards) -> Files:
        """Return the CSV of the paper's numbers that has the run's, if there is one."""
        row = printed_row(self.catalog, wildcards.dataset, wildcards.run)
        return [shipped_file(f"workflow/reference/paper_tables/{row['file']}")] if row else []

    @cached_property
    def figures(self) -> dict[str, Strips]:
        """The papers' figures that show runs of a table, by name."""
        tables = self.catalog.tables.values()
        return {name: figure for table in tables for name, figure in table_figures(table).items()}

    @cached_property
    def sweeps(self) -> dict[str, Mapping[str, Any]]:
        """The sweeps of all tables by name, each with the title and dataset of its table."""
        return {
            name: {"title": table["title"], "dataset": table["rows"][0]["dataset"], **sweep}
            for table in self.catalog.tables.values()
            for name, sweep in table.get("sweeps", {}).items()
        }

    def sweep_maps(self, wildcards: Wildcards) -> Files:
        """Return the headline of every run of a sweep, in the order of its points."""
        sweep = self.sweeps[wildcards.sweep]
        dataset = wildcards.get("dataset") or sweep["dataset"]
        return [f"results/{dataset}/{point['run']}_map.csv" for point in sweep["points"]]

    def figure_files(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return annotations, manifest and what the first seed of each run in a figure made."""
        figure = self.figures[wildcards.figure]
        name = wildcards.get("dataset") or figure.dataset
        recipe, seed = self.datasets[name]["recipe"], self.datasets[name]["seeds"][0]
        folder = f"results/{name}"
        runs = [f"{folder}/{recipe}/{row['run']}/seed{seed}" for row in figure.rows]
        detected = self.datasets[name]["task"] == "detection"
        shown = detected and (figure.segments or figure.chosen == "loss")
        return {
            "annotations": f"{folder}/annotations.json",
            "manifest": f"{folder}/manifest.csv",
            "scores": [f"{run}/scores.h5" for run in runs],
            "proposals": [f"{run}/proposals.json" for run in runs] if shown else [],
        }


def weights_name(
    recipes: Mapping[str, Any], section: str, stream: str | None, wildcards: Wildcards
) -> str:
    """Return the name of the weights in a section of a recipe."""
    name = recipes[wildcards.recipe][section.format(**wildcards)]["weights"]
    return name[stream] if stream else name
