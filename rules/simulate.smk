"""Simulated datasets: their videos are drawn, or those of another dataset, their features made."""


rule simulate_annotations:
    """Draw the videos, or take them from the annotation database that `labels:` names."""
    input:
        from_dataset(annotation_files),
    output:
        annotations="results/{dataset}/annotations.json",
        training="results/{dataset}/training_labels.json",
        manifest="results/{dataset}/manifest.csv",
    log:
        "results/logs/{dataset}/simulate_annotations.log",
    wildcard_constraints:
        dataset=of_kind("simulated"),
    conda:
        "../envs/evaluate.yaml"
    params:
        config=setting("simulate"),
        code=code_digest("scripts/simulate_annotations.py"),
    shell:
        "python scripts/simulate_annotations.py --config {params.config:q}"
        " --annotations {input} --output {output.annotations} --training {output.training}"
        " --manifest {output.manifest} > {log} 2>&1"


rule simulate_features:
    """Two-stream features of the videos, at the size the recipe gives."""
    input:
        "results/{dataset}/annotations.json",
    output:
        features="results/{dataset}/{recipe}/features.h5",
        coverage="results/{dataset}/{recipe}/coverage.csv",
        missing="results/{dataset}/{recipe}/missing.csv",
    log:
        "results/logs/{dataset}/{recipe}/simulate_features.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/simulate_features.tsv"
    wildcard_constraints:
        dataset=of_kind("simulated"),
    conda:
        "../envs/evaluate.yaml"
    params:
        config=setting("simulate"),
        recipe=recipe_numbers(),
        code=code_digest("scripts/simulate_features.py"),
    shell:
        "python scripts/simulate_features.py --dataset {wildcards.dataset}"
        " --config {params.config:q} --recipe {wildcards.recipe} --recipe-json {params.recipe:q}"
        " --annotations {input} --output {output.features} --coverage {output.coverage}"
        " --missing {output.missing} > {log} 2>&1"
