"""Input functions by task: proposals, or the scores of every second; no rules here."""


def compared_files(wildcards):
    """What two runs are compared by: every seed's proposals, or its scores where those say all."""
    files = {"": "proposals.json"}
    if DATASETS[wildcards.dataset]["task"] == "events":
        files = {"": "scores.h5", "_intervals": "scores_by_iteration.h5"}
    return {
        f"{side}{kind}": default_recipe_seeds(file, run)(wildcards)
        for side, run in (("a", "run"), ("b", "other"))
        for kind, file in files.items()
    }


def for_task(task, files):
    """Files (a pattern, or a function of the wildcards) where the dataset has this task, else none.

    A run that joins proposals has nothing to say on seconds: it is refused.
    """

    def chosen(wildcards):
        if DATASETS[wildcards.dataset]["task"] != task:
            return []
        if task == "events" and wildcards.run in CATALOG.fused():
            raise WorkflowError(
                f"dataset {wildcards.dataset} has `task: events`, and {wildcards.run} joins the "
                "proposals of other runs: it names no class for a second; ask for one of those runs"
            )
        return files(wildcards) if callable(files) else files.format(**wildcards)

    return chosen


def detections_of(files):
    """The same for what makes no sense without detections: other datasets are refused."""

    def required(wildcards):
        if DATASETS[wildcards.dataset]["task"] != "detection":
            raise WorkflowError(
                f"dataset {wildcards.dataset} has `task: events`: there are no detections to sort "
                "into kinds of errors; the recall of each class stands in every seed's map.csv"
            )
        return files(wildcards)

    return required
