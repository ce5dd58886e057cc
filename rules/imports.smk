"""Where a dataset enters below its videos: published features, or another tool's proposals."""


rule import_features:
    """Published features of the annotated videos, or a page on what to place where."""
    input:
        videos=unrefused("results/{dataset}/videos.json"),
        labels=naming_files,
    output:
        features="results/{dataset}/{recipe}/features.h5",
        coverage="results/{dataset}/{recipe}/coverage.csv",
        missing="results/{dataset}/{recipe}/missing.csv",
        manifest="results/{dataset}/{recipe}/manifest.csv",
    log:
        "results/logs/{dataset}/{recipe}/import_features.log",
    wildcard_constraints:
        dataset=FILMED,
        recipe=IMPORTED,
    conda:
        "../envs/video.yaml"
    resources:
        max_missing=missing_limit,  # checked again where numbers are made: rule completeness
    params:
        recipe=recipe_numbers(),
        folder=published_features,
        listing=published_listing,
        code=code_digest("scripts/import_features.py"),
    shell:
        "python scripts/import_features.py --dataset {wildcards.dataset} --labels {input.labels:q}"
        " --recipe-name {wildcards.recipe} --recipe {params.recipe:q} --folder {params.folder:q}"
        " --annotations {input.videos:q} --max-missing {resources.max_missing}"
        " --features {output.features} --coverage {output.coverage} --missing {output.missing}"
        " --manifest {output.manifest} 2>&1 | tee {log}"


rule import_manifest:
    """The manifest of a dataset without videos: what its published features cover."""
    input:
        default_recipe("results/{dataset}/{recipe}/manifest.csv"),
    output:
        "results/{dataset}/manifest.csv",
    log:
        "results/logs/{dataset}/import_manifest.log",
    wildcard_constraints:
        dataset=alternation(VIDEOLESS),
    localrule: True
    conda:
        "../envs/video.yaml"
    shell:
        "cp {input:q} {output} 2> {log}"


rule score_given:
    """Another tool's proposals, scored under the dataset's protocol."""
    input:
        annotations="results/{dataset}/annotations.json",
        proposals=given_proposals,
    output:
        "results/{dataset}/given/{given}/map.csv",
    log:
        "results/logs/{dataset}/given/{given}.log",
    wildcard_constraints:
        given=r"[a-z][a-z0-9_-]*",
    conda:
        "../envs/evaluate.yaml"
    params:
        protocol=protocol,
        code=code_digest("scripts/evaluate.py"),
    shell:
        "python scripts/evaluate.py --ground-truth {input.annotations:q}"
        " --predictions {input.proposals:q} --checkpoint given --protocol {params.protocol:q}"
        " --output {output} 2>&1 | tee {log}"
