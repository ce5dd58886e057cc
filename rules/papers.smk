"""Input and params functions of the papers' tables and figures; no rules here."""


def table_paper(wildcards):
    """The CSV of the paper's numbers behind a table."""
    return f"workflow/reference/paper_tables/{CATALOG.tables[wildcards.table]['paper']}"


def table_results(wildcards):
    """The headline file of every run in a table, on the paper's dataset or on {dataset}.

    Where the table has the metric mmacs, the runs' costs too.
    """
    table = CATALOG.tables[wildcards.table]
    kinds = ["map", "macs"] if "mmacs" in table["metrics"] else ["map"]
    pairs = table_runs(table, wildcards.get("dataset"))
    return [f"results/{dataset}/{run}_{kind}.csv" for kind in kinds for dataset, run in pairs]


def figure_files(wildcards):
    """Annotations, durations and the first seed's scores of each run in a figure."""
    figure = FIGURES[wildcards.figure]
    dataset = wildcards.get("dataset") or figure.dataset
    recipe, seed = DATASETS[dataset]["recipe"], DATASETS[dataset]["seeds"][0]
    folder = f"results/{dataset}"
    runs = [f"{folder}/{recipe}/{row['run']}/seed{seed}/scores.h5" for row in figure.rows]
    return {
        "annotations": f"{folder}/annotations.json",
        "manifest": f"{folder}/manifest.csv",
        "scores": runs,
    }


def figure_names(wildcards):
    """What a figure calls its strips, as JSON."""
    return canonical([row["variant"] for row in FIGURES[wildcards.figure].rows])


def figure_options(wildcards):
    """What a figure shows of its runs, and which videos."""
    figure = FIGURES[wildcards.figure]
    return f"--shows {figure.shows} --skip {figure.skip}"


def figure_title(wildcards):
    """A figure's title: the table's, and where the data is not the paper's, what it is."""
    title, dataset = FIGURES[wildcards.figure].title, wildcards.get("dataset")
    return f"{title} ({DATASETS[dataset]['note'] or dataset})" if dataset else title


def acn_configs(wildcards):
    """The configs that ACN's diagrams show, of the joined run and of its flow run: JSON."""
    fused = CATALOG.run_config("thumos14", "acn")
    return canonical([fused, CATALOG.run_config("thumos14", fused["fuse_from"]["flow"])])


def table_json(wildcards):
    """A table's YAML as JSON."""
    return canonical(CATALOG.tables[wildcards.table])


def run_names(wildcards):
    """What a page about a run's first seed, with the dataset's own recipe, is called: JSON."""
    dataset = DATASETS[wildcards.dataset]
    names = {key: dataset[key] for key in ("title", "note", "recipe")}
    return canonical({**names, **wildcards, "seed": dataset["seeds"][0]})


def suited_maps(wildcards):
    """The headlines of every method that suits the dataset; that none does ends the run."""
    if problem := no_method(CATALOG, wildcards.dataset):
        raise WorkflowError(problem)
    runs = suited_methods(CATALOG, wildcards.dataset)
    return expand("results/{dataset}/{run}_map.csv", dataset=wildcards.dataset, run=runs)


def methods_left_out(wildcards):
    """Why the others do not, as JSON."""
    return canonical(unsuited(CATALOG, wildcards.dataset))


def methods_title(wildcards):
    """The title of a dataset's methods, with what kind of data it is."""
    about = DATASETS[wildcards.dataset]
    title = about["title"] or wildcards.dataset
    return f"Methods on {title}" + (f" ({about['note']})" if about["note"] else "")
