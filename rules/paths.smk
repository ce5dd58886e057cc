"""Input functions: which files a job needs; no rules here."""


def weights(section, stream=None, *, path):
    """The checkpoint a recipe names: as an input (`path`), or as the script's argument.

    `section` may hold wildcards, as `{backbone}`.
    """

    def value(wildcards):
        name = RECIPES[wildcards.recipe][section.format(**wildcards)]["weights"]
        name = name[stream] if stream else name
        found = weights_path(name, WEIGHTS)
        if not path:
            return found or name
        # A shipped file is known by its content (weights_identity); a checkout sets its date.
        shipped = WEIGHTS.get(name, {}).get("shipped")
        return (ancient(found) if shipped else found) or []

    return value


def pca_parameters(wildcards):
    """The parameters of VGGish's postprocess, if the recipe asks for one."""
    vggish = RECIPES[wildcards.recipe]["vggish"]
    if vggish["postprocess"] == "none":
        return []
    return weights_path(vggish["pca"], WEIGHTS) or vggish["pca"]


def unrefused(pattern):
    """A path, or the error that the dataset has not what the recipe starts from."""

    def path(wildcards):
        dataset, recipe = DATASETS[wildcards.dataset], wildcards.recipe
        imports = "import" in RECIPES[recipe]
        if problem := refusal(wildcards.dataset, dataset, recipe, imports):
            raise WorkflowError(problem)
        return pattern.format(**wildcards)

    return path


def videos_manifest(wildcards):
    """The videos and their durations: the recipe's own list where it imports its features."""
    name = wildcards.dataset
    recipe = wildcards.get("recipe", DATASETS[name]["recipe"])
    own = f"{recipe}/" if "import" in RECIPES[recipe] else ""
    return f"results/{name}/{own}manifest.csv"


def feature_shards(wildcards):
    """The shard manifests of every feature stage of the recipe."""
    stages = sorted(set(RECIPES[wildcards.recipe]["streams"].values()))
    folder = f"results/{wildcards.dataset}/{wildcards.recipe}"
    count = DATASETS[wildcards.dataset]["shards"]
    return [f"{folder}/{stage}/shard{shard}.csv" for stage in stages for shard in range(count)]


def sound_shards(wildcards):
    """The manifests of the sound kept for the default recipe, where that has any."""
    dataset = DATASETS[wildcards.dataset]
    recipe = RECIPES[dataset["recipe"]]
    if "import" in recipe or "vggish" not in recipe["streams"].values():
        return []
    folder = f"results/{wildcards.dataset}/{dataset['recipe']}/audio"
    return [f"{folder}/shard{shard}.csv" for shard in range(dataset["shards"])]


def of_run(key, *files, stream=None):
    """Files of the run that a run's config names under `key`: same recipe, same seed.

    With `stream`, of the run that it names there for that stream.
    """

    def paths(wildcards):
        full = CATALOG.run_config(wildcards.dataset, wildcards.run, wildcards.recipe)
        if (joined := full.get("fuse_from")) and not stream:
            raise WorkflowError(
                f"{wildcards.run} is not trained, it joins {', '.join(joined.values())}: ask for theirs"
            )
        named = full[key][stream] if stream else full[key]
        folder = "results/{dataset}/{recipe}/{other}/seed{seed}".format(other=named, **wildcards)
        return [f"{folder}/{file.format(**wildcards)}" for file in files if named]

    return paths


def shards(pattern):
    """A path for each shard of the dataset."""

    def paths(wildcards):
        count = DATASETS[wildcards.dataset]["shards"]
        return [pattern.format(shard=shard, **wildcards) for shard in range(count)]

    return paths


def seeds(pattern):
    """A path for each seed of the dataset."""

    def paths(wildcards):
        each = DATASETS[wildcards.dataset]["seeds"]
        return [pattern.format(seed=seed, **wildcards) for seed in each]

    return paths


def default_recipe(pattern):
    """A path with the dataset's own recipe filled in."""

    def path(wildcards):
        return pattern.format(recipe=DATASETS[wildcards.dataset]["recipe"], **wildcards)

    return path


def default_recipe_seeds(file, run="run", first=False):
    """A file of every seed (or the first) of a run with the dataset's own recipe."""

    def paths(wildcards):
        dataset = DATASETS[wildcards.dataset]
        folder = f"results/{wildcards.dataset}/{dataset['recipe']}/{wildcards[run]}"
        return [f"{folder}/seed{n}/{file}" for n in dataset["seeds"][: 1 if first else None]]

    return paths
