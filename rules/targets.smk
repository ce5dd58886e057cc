"""A target on the command line that no rule makes ends the run with the names that are near."""


def asked_for():
    """Paths in results/ on the command line, but for the values of options."""
    words = zip(sys.argv, sys.argv[1:])
    return [path for last, path in words if path.startswith("results/") and not has_value(last)]


def has_value(word):
    """Whether this is an option of Snakemake that a path may follow which is no target."""
    return word in ("-d", "-s") or (word.startswith("--") and word not in ("--", "--dry-run"))


def outputs():
    """The outputs of all rules, with their wildcards."""
    return [str(output) for maker in workflow.rules for output in maker.output]


KNOWN = {
    "dataset": DATASETS,
    "recipe": RECIPES,
    "run": RUNS,
    "other": RUNS,
    "table": CATALOG.tables,
    "figure": FIGURES,
}

for path in asked_for():
    if not Path(path).exists() and not any(maker.is_producer(path) for maker in workflow.rules):
        sys.exit(misspelt(path, outputs(), KNOWN))
