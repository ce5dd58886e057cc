"""Params functions: what a job is told besides its files; no rules here."""

@cache
def code_digest(script, *modules):
    """Digest of a script's import closure, or the older one it is declared equal to."""
    digest = codehash.code_digest(ROOT / script, PACKAGE, modules, CACHE / "code.json")
    return config["accept_code"].get(digest, digest)


def method_digest(script, module):
    """Digest of a script that imports one module of a method by name."""

    def digest(wildcards):
        return code_digest(script, f"wstal.methods.{split_run(wildcards.run)[0]}.{module}")

    return digest


@cache
def stage_digest(stage):
    """Digest of a stage's code: its script and what workflow/wstal/config/stages.py names."""
    return stage_code(stage, ROOT, config["accept_code"], CACHE / "code.json")


def backbone_digest(wildcards):
    """Digest of the code of the stage that is named like its backbone."""
    return stage_digest(wildcards.backbone)


def method_of(wildcards):
    """The method a run is a variant of."""
    return split_run(wildcards.run)[0]


def setting(key):
    """A key of the dataset's YAML; mappings as canonical JSON."""

    def value(wildcards):
        found = DATASETS[wildcards.dataset][key]
        return canonical(found) if found is None or isinstance(found, dict) else found

    return value


def weights_name(wildcards):
    """The name of a file of weights."""
    return next(n for n, entry in WEIGHTS.items() if entry["file"] == wildcards.weights_file)


def weights_identity(section, stream=None):
    """What identifies the checkpoint a recipe names: its content counts, not its date."""

    def value(wildcards):
        name = RECIPES[wildcards.recipe][section.format(**wildcards)]["weights"]
        entry = WEIGHTS.get(name[stream] if stream else name, {})
        return entry.get("sha256") or entry.get("git_blob", "")

    return value


def annotation_settings(wildcards):
    """What of the dataset's YAML its annotations depend on, as JSON."""
    dataset = DATASETS[wildcards.dataset]
    return canonical({key: dataset[key] for key in ("kind", "labels", "segments", "choices")})


def label_settings(wildcards):
    """What of it the videos and their labels depend on: nothing about segments."""
    dataset = DATASETS[wildcards.dataset]
    choices = label_choices(dataset["kind"], dataset["choices"])
    return canonical({"kind": dataset["kind"], "labels": dataset["labels"], "choices": choices})


def missing_limit(wildcards):
    """How many videos may be without features, as JSON: at least those a published set lacks."""
    allowed = DATASETS[wildcards.dataset]["max_missing"]
    known = RECIPES[wildcards.recipe].get("import", {}).get("max_missing", 0)
    return canonical(allowed if allowed is None else max(allowed, known))


def recipe_part(section):
    """One section of the feature recipe as canonical JSON.

    Where some of its settings change no number, a resource: params alone make a job run again.
    """

    def part(wildcards):
        return canonical(RECIPES[wildcards.recipe][section.format(**wildcards)])

    return part


def recipe_numbers(*sections):
    """Sections of the recipe, or all, without the settings that change no number, as JSON."""

    def part(wildcards):
        recipe = RECIPES[wildcards.recipe]
        wanted = [section.format(**wildcards) for section in sections] or recipe
        return canonical(numbers_part({section: recipe[section] for section in wanted}))

    return part


def run_part(localize=False):
    """A run's config for training (all but localize), or for localization, as JSON."""

    def part(wildcards):
        full = CATALOG.run_config(wildcards.dataset, wildcards.run, wildcards.recipe)
        return canonical(
            full["localize"] if localize else {k: full[k] for k in full if k != "localize"}
        )

    return part


def scored_splits(wildcards):
    """Whose videos scores.h5 holds, and scores_train.h5."""
    return "train" if wildcards.part else "val test"


def options(**names):
    """The options of the inputs that a job has: `options(upstream="--upstream")`."""

    def given(wildcards, input):
        parts = ((option, input.get(name)) for name, option in names.items())
        return " ".join(f"{option} {files}" for option, files in parts if files)

    return given


def protocol(wildcards):
    """The dataset's protocol with its name, as JSON."""
    return canonical(CATALOG.protocol(wildcards.dataset))


def paper_protocol(wildcards):
    """How the run's paper scored the dataset, as JSON."""
    return canonical(CATALOG.paper_protocol(wildcards.dataset, wildcards.run))


def ledger_protocols(wildcards):
    """Every protocol that suits the dataset as JSON, its own first: the others compare with it."""
    own, kind = (DATASETS[wildcards.dataset][key] for key in ("protocol", "kind"))
    suited = {k: v for k, v in CATALOG.protocols.items() if kind in v["kinds"] and k != own}
    ordered = {own: CATALOG.protocols[own], **suited}
    return canonical([{"name": name, **value} for name, value in ordered.items()])
