"""What a job gets besides its files, as functions of its wildcards: the params of the rules.

A changed param makes a job run again. What changes no number is a resource instead: the job gets
it, but runs for it no second time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from wstal.base.code_digest import code_digest
from wstal.base.contents import Digests, sample
from wstal.base.files import canonical_json
from wstal.config import dataset_files
from wstal.config.inputs import Inputs, Wildcards, weights_name
from wstal.config.layers import split_run
from wstal.config.stages import numbers_part, stage_code
from wstal.config.targets import gap_runs, printed_row, unsuited, zero_shot_reason
from wstal.networks.backbones import LIBRARIES

ZERO_SHOT = "baseline: names of classes alone, no training labels"


class Params:
    """The parameters of jobs; `root` is the checkout, the folder `kept` what its sources mean.

    `accepted` has digests of code that are declared equal to an older one.
    """

    def __init__(self, inputs: Inputs, root: Path, kept: Path, accepted: Mapping[str, str]):
        self._inputs, self._catalog = inputs, inputs.catalog
        self._datasets, self._recipes = inputs.datasets, inputs.recipes
        self._root, self._kept, self._accepted = root, kept / "code.json", accepted
        self._list_videos = cache(self._listed_videos)  # once for each dataset
        self._list_folder = cache(self._listed_folder)
        self._content = Digests(kept / "samples.json", sample)
        # Once for each script and run, of which a plan may have thousands of jobs.
        self.code, self.stage_code = cache(self.code), cache(self.stage_code)
        self._backbone_code = cache(self._library_code)
        self._run_json = cache(self._run_as_json)

    # Code

    def code(self, script: str, *modules: str) -> str:
        """Return the digest of a script's code, or the older one that it is declared equal to."""
        path, package = self._root / "scripts" / f"{script}.py", self._root / "workflow/wstal"
        digest = code_digest(path, package, modules, self._kept)
        return self._accepted.get(digest, digest)

    def method_code(self, script: str, part: str) -> Callable:
        """Return a function: the digest of a script that imports a part of a method by name."""

        def digest(wildcards: Wildcards) -> str:
            return self.code(script, f"wstal.methods.{split_run(wildcards.run)[0]}.{part}")

        return digest

    def stage_code(self, stage: str) -> str:
        """Return the digest of a stage's code: its script, and what the table of stages names."""
        return stage_code(stage, self._root, self._accepted, self._kept)

    def stage_codes(self, **stages: str) -> list[str]:
        """Return the digests of several stages as options: `--code A --flow-code B`."""
        codes = {name.replace("_", "-"): self.stage_code(each) for name, each in stages.items()}
        return [word for name, code in codes.items() for word in (f"--{name}", code)]

    def backbone_code(self, wildcards: Wildcards) -> str:
        """Return the digest of the stage that is named like its backbone."""
        recipe = self._recipes[wildcards.recipe]
        entry = recipe[wildcards.backbone]["entry"]
        return self._backbone_code(entry["library"], entry["input"])

    def sound_backbone_code(self, wildcards: Wildcards) -> str:
        """Return the same of a backbone of sound."""
        entry = self._recipes[wildcards.recipe][wildcards.sound_backbone]["entry"]
        return self._backbone_code(entry["library"], entry["input"])

    def _library_code(self, library: str, sees: str) -> str:
        recipe = {"any": {"entry": {"library": library, "input": sees}}}
        return stage_code("any", self._root, self._accepted, self._kept, recipe)

    # Datasets

    def setting(self, key: str) -> Callable:
        """Return a function: a key of the dataset's YAML; null and mappings as JSON."""

        def value(wildcards: Wildcards) -> Any:
            found = self._datasets[wildcards.dataset][key]
            return canonical_json(found) if found is None or isinstance(found, dict) else found

        return value

    def annotation_settings(self, wildcards: Wildcards) -> str:
        """Return what of the dataset's YAML its annotations depend on, as JSON."""
        dataset = self._datasets[wildcards.dataset]
        return canonical_json({k: dataset[k] for k in ("kind", "labels", "segments", "choices")})

    def label_settings(self, wildcards: Wildcards) -> str:
        """Return what the videos and their labels depend on: nothing about segments."""
        name = wildcards.dataset
        about = {key: self._datasets[name][key] for key in ("kind", "labels")}
        return canonical_json({**about, "choices": self._catalog.label_choices[name]})

    def missing_limit(self, wildcards: Wildcards) -> str:
        """Return how many videos may lack features, as JSON; some published sets lack a few."""
        allowed = self._datasets[wildcards.dataset]["max_missing"]
        known = self._recipes[wildcards.recipe].get("import", {}).get("max_missing", 0)
        return canonical_json(allowed if allowed is None else max(allowed, known))

    def listing(self, wildcards: Wildcards) -> str:
        """Return what is in the videos' folder for a shard: an added video reruns that shard."""
        return self._list_videos(wildcards.dataset)[int(wildcards.shard)]

    def _listed_videos(self, dataset: str) -> list[str]:
        found = dataset_files.video_listing(dataset, self._datasets[dataset], self._content)
        self._content.save()
        return found

    def _listed_folder(self, folder: str) -> str:
        found = dataset_files.folder_listing(folder, self._content)
        self._content.save()
        return found

    def published_listing(self, wildcards: Wildcards) -> str:
        """Return what is in the folder of published features: other files import again."""
        return self._list_folder(self._published(wildcards))

    def _published(self, wildcards: Wildcards) -> str:
        name = wildcards.dataset
        return dataset_files.features_folder(name, self._datasets[name], wildcards.recipe)

    # Recipes

    def recipe_part(self, section: str) -> Callable:
        """Return a function: a section of the recipe as JSON.

        It is a resource where some of its settings change no number: the job gets it whole, but
        runs again for its numbers alone.
        """

        def part(wildcards: Wildcards) -> str:
            return canonical_json(self._recipes[wildcards.recipe][section.format(**wildcards)])

        return part

    def recipe_numbers(self, *sections: str) -> Callable:
        """Return a function: sections of the recipe, or all, without what changes no number."""

        def part(wildcards: Wildcards) -> str:
            recipe = self._recipes[wildcards.recipe]
            wanted = [section.format(**wildcards) for section in sections] or recipe
            return canonical_json(numbers_part({section: recipe[section] for section in wanted}))

        return part

    def recipe_parts(self, *sections: str) -> dict[str, Callable]:
        """Return several sections as resources of their names."""
        return {section: self.recipe_part(section) for section in sections}

    def network(self, section: str, stream: str | None = None, *others: str) -> Callable:
        """Return a function: what makes the numbers of a network's features.

        First the file of its weights, or `untrained`, which the job gets. Then what identifies
        their content, whatever the file's date, and the numbers of the section and of `others`.
        """

        def about(wildcards: Wildcards) -> list[str]:
            name = weights_name(self._recipes, section, stream, wildcards)
            entry = self._inputs.sources.get(name, {})
            file = self._inputs.weights_file(name) or name
            identity = entry.get("sha256") or entry.get("git_blob", "")
            if Path(file).is_dir():  # a backbone's
                identity = self._list_folder(file)
            own = self._recipes[wildcards.recipe][section.format(**wildcards)].get("entry", {})
            if own.get("library") == "file" and Path(own["model"]).is_file():
                identity += sample(Path(own["model"]))
            return [file, identity, self.recipe_numbers(section, *others)(wildcards)]

        return about

    def text_network(self, wildcards: Wildcards) -> list[str]:
        """Return what `network` does of the backbone whose text side a recipe uses."""
        return self.network(self._inputs.text_stream(wildcards)[1])(wildcards)

    def text_code(self, wildcards: Wildcards) -> str:
        """Return the digest of the job that makes class vectors, with the adapter it imports."""
        name = self._inputs.text_stream(wildcards)[1]
        library = self._recipes[wildcards.recipe][name]["entry"]["library"]
        return self.code("class_vectors", LIBRARIES[library])

    def class_text(self, wildcards: Wildcards) -> list[str]:
        """Return the options of a job that makes class vectors: stream, backbone and entry."""
        stream, name = self._inputs.text_stream(wildcards)
        entry = self._recipes[wildcards.recipe][name]["entry"]
        entry = canonical_json({**entry, "text": self._catalog.backbones[name]["text"]})
        return ["--stream", stream, "--network", name, "--entry", entry]

    def zero_shot_localization(self, wildcards: Wildcards) -> str:
        """Return CO2-Net's settings of localization, by which zero_shot localizes, as JSON."""
        return self._run_json(wildcards.dataset, "co2net", wildcards.recipe)[1]

    def zero_shot_note(self, wildcards: Wildcards) -> str:
        """Return the note beside the numbers of zero_shot: what it saw, and what the data are."""
        notes = ZERO_SHOT, self._datasets[wildcards.dataset]["note"]
        return "; ".join(note for note in notes if note)

    def packed(self, wildcards: Wildcards, input: Any, output: Any) -> list[str]:
        """Return the options of a job that makes features.h5: names, recipe and files."""
        words = ["--dataset", wildcards.dataset, "--recipe-name", wildcards.recipe]
        recipe = self.recipe_numbers()(wildcards)
        return [*words, "--recipe", recipe, *named_files(wildcards, input, output)]

    def imported(self, wildcards: Wildcards, input: Any, output: Any) -> list[str]:
        """Return the same for published features, with their folder."""
        folder = self._published(wildcards)
        return [*self.packed(wildcards, input, output), "--folder", folder]

    def weights_name(self, wildcards: Wildcards) -> str:
        """Return the name of a file of weights."""
        sources = self._inputs.sources.items()
        return next(name for name, entry in sources if entry["file"] == wildcards.weights_file)

    # Runs and protocols

    def method(self, wildcards: Wildcards) -> str:
        """Return the method that a run is a variant of."""
        return split_run(wildcards.run)[0]

    def training(self, wildcards: Wildcards) -> str:
        """Return a run's config without what localization alone reads, as JSON."""
        return self._run_json(wildcards.dataset, wildcards.run, wildcards.recipe)[0]

    def localization(self, wildcards: Wildcards) -> str:
        """Return a run's settings of localization, as JSON."""
        return self._run_json(wildcards.dataset, wildcards.run, wildcards.recipe)[1]

    def _run_as_json(self, dataset: str, run: str, recipe: str) -> tuple[str, str]:
        config = self._catalog.run_config(dataset, run, recipe)
        localize = config.pop("localize")
        return canonical_json(config), canonical_json(localize)

    def settings_note(self, wildcards: Wildcards) -> str:
        """Return whose settings a run takes, where they are not the dataset's own."""
        about = wildcards.dataset, wildcards.run, wildcards.recipe
        return self._catalog.settings_note(*about)

    def result_note(self, wildcards: Wildcards) -> str:
        """Return the note beside a run's numbers: what the data are, and whose settings."""
        chosen = wildcards.run in self._catalog.imported()
        imported = "imported checkpoint, which its code may have chosen on test" if chosen else ""
        notes = self._datasets[wildcards.dataset]["note"], self.settings_note(wildcards), imported
        return "; ".join(note for note in notes if note)

    def splits(self, wildcards: Wildcards) -> list[str]:
        """Return the option for whose videos scores.h5 has, and scores_train.h5."""
        return ["--splits", *(["train"] if wildcards.part else ["val", "test"])]

    def protocol(self, wildcards: Wildcards) -> str:
        """Return the dataset's protocol with its name, as JSON."""
        return canonical_json(self._catalog.protocol(wildcards.dataset))

    def protocols(self, wildcards: Wildcards) -> list[str]:
        """Return the options of that protocol, and of how the run's paper scored the dataset.

        No paper scored own videos, unless the method's YAML says how one did.
        """
        words = ["--protocol", self.protocol(wildcards)]
        if not self._catalog.has_paper_reading(wildcards.dataset, wildcards.run):
            return words
        paper = canonical_json(self._catalog.paper_protocol(wildcards.dataset, wildcards.run))
        checkpoint = self._catalog.paper_checkpoint(wildcards.run)
        return [*words, "--paper-protocol", paper, "--paper-checkpoint", checkpoint]

    def ledger_protocols(self, wildcards: Wildcards) -> str:
        """Return every protocol that suits the dataset as JSON, its own first: the reference."""
        own, kind = (self._datasets[wildcards.dataset][key] for key in ("protocol", "kind"))
        every = self._catalog.protocols
        suited = {k: v for k, v in every.items() if kind in v["kinds"] and k != own}
        ordered = {own: every[own], **suited}
        return canonical_json([{"name": name, **value} for name, value in ordered.items()])

    # Tables, figures and pages

    def table(self, wildcards: Wildcards) -> str:
        """Return a table's YAML as JSON, each row with the features that its numbers rest on."""
        table, elsewhere = self._catalog.tables[wildcards.table], wildcards.get("dataset")
        rows = [{**row, **self._features(elsewhere, row)} for row in table["rows"]]
        return canonical_json({**table, "rows": rows})

    def _features(self, elsewhere: str | None, row: Mapping[str, str]) -> dict[str, Any]:
        """Return recipe and networks behind a row's numbers, ours and the paper's."""
        catalog, dataset, run = self._catalog, elsewhere or row["dataset"], row["run"]
        own, paper = self._datasets[dataset]["recipe"], catalog.paper_recipe(row["dataset"], run)
        named = {"features": (dataset, own), "paper_features": (row["dataset"], paper)}
        return {
            key: {"recipe": recipe, "networks": ", ".join(catalog.run_networks(name, run, recipe))}
            for key, (name, recipe) in named.items()
            if recipe
        }

    def figure_names(self, wildcards: Wildcards) -> str:
        """Return what a figure calls its strips, as JSON."""
        rows = self._inputs.figures[wildcards.figure].rows
        return canonical_json([row["variant"] for row in rows])

    def figure_options(self, wildcards: Wildcards) -> list[str]:
        """Return what a figure shows of its runs, and which videos."""
        figure = self._inputs.figures[wildcards.figure]
        count = ["--videos", str(figure.videos), "--skip", str(figure.skip)]
        segments = ["--segments"] if figure.segments else []
        own = figure.classes and not wildcards.get("dataset")
        classes = ["--classes", canonical_json(list(figure.classes))] if own else []
        return ["--shows", figure.shows, *count, "--chosen", figure.chosen, *segments, *classes]

    def figure_title(self, wildcards: Wildcards) -> str:
        """Return the title of a figure: the table's, and what the data is if not the paper's."""
        title, name = self._inputs.figures[wildcards.figure].title, wildcards.get("dataset")
        return f"{title} ({self._datasets[name]['note'] or name})" if name else title

    def sweep(self, wildcards: Wildcards) -> str:
        """Return what a sweep shows, as JSON; beside its title what the data is."""
        sweep, name = self._inputs.sweeps[wildcards.sweep], wildcards.get("dataset")
        note = f" ({self._datasets[name]['note'] or name})" if name else ""
        return canonical_json({**sweep, "title": sweep["title"] + note})

    def acn_configs(self, wildcards: Wildcards) -> str:
        """Return the configs that ACN's diagrams show, of the joined run and its flow run: JSON."""
        joined = self._catalog.run_config("thumos14", "acn")
        flow = self._catalog.run_config("thumos14", joined["fuse_from"]["flow"])
        return canonical_json([joined, flow])

    def cavf_config(self, wildcards: Wildcards) -> str:
        """Return the config that CAVF's diagram shows, the paper's own: JSON."""
        return canonical_json(self._catalog.run_config("activitynet12", "cavf"))

    def page_about(self, wildcards: Wildcards) -> str:
        """Return the names on a page about a run's first seed with the default recipe: JSON."""
        dataset = self._datasets[wildcards.dataset]
        names = {key: dataset[key] for key in ("title", "note", "recipe")}
        return canonical_json({**names, **wildcards, "seed": self._first_seed(wildcards)})

    def gap(self, wildcards: Wildcards) -> str:
        """Return a run's name, how it and its paper are scored, and its other runs, as JSON."""
        dataset, run = wildcards.dataset, wildcards.run
        about, catalog = self._datasets[dataset], self._catalog
        ledger = {each.pop("name"): each for each in json.loads(self.ledger_protocols(wildcards))}
        paper = catalog.paper_protocol(dataset, run)
        name = paper.pop("name")
        conventions = {
            "own": about["protocol"],
            "paper": name,
            "paper_checkpoint": catalog.paper_checkpoint(run),
            "protocols": {**ledger, name: paper},
        }
        return canonical_json(
            {
                "dataset": dataset,
                "title": f"From the paper's number to ours: {run} on {about['title'] or dataset}",
                "note": about["note"],
                "printed": printed_row(catalog, dataset, run),
                "others": gap_runs(catalog, dataset, run),
                "conventions": conventions,
            }
        )

    def _first_seed(self, wildcards: Wildcards) -> int:
        return self._catalog.seeds(wildcards.dataset, wildcards.run)[0]

    def methods_left_out(self, wildcards: Wildcards) -> str:
        """Return why methods, and zero_shot, do not suit the dataset, as JSON."""
        reasons = unsuited(self._catalog, wildcards.dataset)
        recipe = self._datasets[wildcards.dataset]["recipe"]
        reasons["zero_shot"] = zero_shot_reason(self._catalog, recipe)
        return canonical_json(reasons)

    def methods_title(self, wildcards: Wildcards) -> str:
        """Return the title of a dataset's methods, with what kind of data it is."""
        about = self._datasets[wildcards.dataset]
        title = about["title"] or wildcards.dataset
        return f"Methods on {title}" + (f" ({about['note']})" if about["note"] else "")


def named_files(wildcards: Wildcards, input: Any, output: Any) -> list[str]:
    """Return a job's named inputs and outputs as words of its command line: `--scores FILE`.

    An input without files is left out; files without a name are not among them.
    """
    words: list[str] = []
    for name, files in [*input.items(), *output.items()]:
        files = [files] if isinstance(files, str) else list(files)
        words += [f"--{name.replace('_', '-')}", *files] if files else []
    return words
