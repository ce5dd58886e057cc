"""Input and params functions of the papers' tables and figures; no rules here."""


def table_paper(wildcards):
    """The CSV of the paper's numbers behind a table."""
    return f"workflow/reference/paper_tables/{CATALOG.tables[wildcards.table]['paper']}"


def table_results(wildcards):
    """The headline file of every run in a table, on the paper's dataset or on {dataset}."""
    pairs = table_runs(CATALOG.tables[wildcards.table], wildcards.get("dataset"))
    return [f"results/{dataset}/{run}_map.csv" for dataset, run in pairs]


def figure_table(wildcards):
    """The table whose rows a figure shows."""
    return next(t for t in CATALOG.tables.values() if t.get("figure") == wildcards.figure)


def figure_files(wildcards):
    """Annotations, durations and the first seed's scores of each run in a figure."""
    rows = figure_table(wildcards)["rows"]
    dataset = wildcards.get("dataset") or rows[0]["dataset"]
    recipe, seed = DATASETS[dataset]["recipe"], DATASETS[dataset]["seeds"][0]
    folder = f"results/{dataset}"
    runs = [f"{folder}/{recipe}/{row['run']}/seed{seed}/scores.h5" for row in rows]
    return {
        "annotations": f"{folder}/annotations.json",
        "manifest": f"{folder}/manifest.csv",
        "scores": runs,
    }


def figure_names(wildcards):
    """What a figure calls its strips, as JSON."""
    return canonical([row["variant"] for row in figure_table(wildcards)["rows"]])


def figure_title(wildcards):
    """A figure's title: the table's, and where the data is not the paper's, what it is."""
    title, dataset = figure_table(wildcards)["title"], wildcards.get("dataset")
    return f"{title} ({DATASETS[dataset]['note'] or dataset})" if dataset else title
