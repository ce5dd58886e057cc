"""A dataset's own files: which enter a job, and what counts as a change of them; no rules here."""


def from_dataset(which):
    """A function of (dataset's name, its YAML) as an input or params function.

    What it refuses ends the run. A WorkflowError would not where the file to be made is there
    already: Snakemake then takes that as given, and says nothing.
    """

    def value(wildcards):
        try:
            return which(wildcards.dataset, DATASETS[wildcards.dataset])
        except WstalError as error:
            sys.exit(f"{error}")

    return value


@cache
def _listing(dataset):
    return video_listing(dataset, DATASETS[dataset])


def listing(wildcards):
    """What lies in the videos' folder for a shard: a video added reruns that shard alone."""
    return _listing(wildcards.dataset)[int(wildcards.shard)]


def listed_files(wildcards):
    """The label files that videos and labels are listed from.

    Own ones whatever their age: the param `listed` tells what they change. It knows no label of
    a test video, so that one corrected packs and trains nothing. Snakemake cannot say so further
    down: what follows a job that runs is not asked whether its params changed.
    """
    files = from_dataset(sound_video_files)(wildcards)
    own = DATASETS[wildcards.dataset]["kind"] == "folder"
    return [ancient(path) for path in files] if own else files


def probed_videos(wildcards):
    """What names the videos of a shard.

    Own labels change with every video added, and `listing` says which shard that concerns: so
    the label file itself, whatever its age. Through videos.json every shard runs, as it does with
    own labels in a JSON, which holds times that a probe is not to read.
    """
    name, dataset = wildcards.dataset, DATASETS[wildcards.dataset]
    labels = from_dataset(video_files)(wildcards)[0] if dataset["kind"] == "folder" else ""
    return ancient(labels) if labels.endswith(".csv") else f"results/{name}/videos.json"


def published_features(wildcards):
    """The folder of the published features that a recipe imports."""
    name = wildcards.dataset
    return features_folder(name, DATASETS[name], wildcards.recipe)


@cache
def _folder_listing(folder):
    return folder_listing(folder)


def published_listing(wildcards):
    """What lies in that folder: other files import again."""
    return _folder_listing(published_features(wildcards))


def naming_files(wildcards):
    """The label files that may name the rows of published features; own ones do not."""
    own = DATASETS[wildcards.dataset]["kind"] == "folder"
    return [] if own else from_dataset(video_files)(wildcards)


def given_proposals(wildcards):
    """The file of another tool's proposals, by the name it has in the dataset's YAML."""
    given = DATASETS[wildcards.dataset]["proposals"]
    if wildcards.given not in given:
        raise WorkflowError(
            f"dataset {wildcards.dataset} has no proposals {wildcards.given!r}; its YAML names "
            f"{', '.join(given) or 'none'} under `proposals:`"
        )
    return given[wildcards.given]
