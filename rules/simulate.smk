"""Simulated datasets: their videos are drawn, or those of another dataset, their features made."""


rule simulate_annotations:
    """Draw the videos, or take them from the annotation database that `labels:` names."""
    input:
        annotations=files.of_dataset(dataset_files.annotation_files),
    output:
        output="results/{dataset}/annotations.json",
        training="results/{dataset}/training_labels.json",
        manifest="results/{dataset}/manifest.csv",
    log:
        "results/logs/{dataset}/simulate_annotations.log",
    wildcard_constraints:
        dataset=of_kind("simulated"),
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        config=values.setting("simulate"),
        code=values.code("simulate_annotations"),
    shell:
        "python .snakemake/wstal/scripts/simulate_annotations.py {params.files:q} --config {params.config:q}"
        " &> {log:q}"


rule simulate_features:
    """Two-stream features of the videos, at the size the recipe gives."""
    input:
        annotations="results/{dataset}/annotations.json",
    output:
        output="results/{dataset}/{recipe}/features.h5",
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
        files=named_files,
        config=values.setting("simulate"),
        recipe=values.recipe_numbers(),
        code=values.code("simulate_features"),
    shell:
        "python .snakemake/wstal/scripts/simulate_features.py --dataset {wildcards.dataset:q}"
        " {params.files:q} --config {params.config:q} --recipe {wildcards.recipe:q}"
        " --recipe-json {params.recipe:q} &> {log:q}"
