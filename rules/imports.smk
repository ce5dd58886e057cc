"""Where a dataset enters below its videos: published features, or another tool's proposals."""


rule import_features:
    """Published features of the annotated videos, or a page on what to place where."""
    input:
        unpack(files.imported),
    output:
        features="results/{dataset}/{recipe}/features.h5",
        coverage="results/{dataset}/{recipe}/coverage.csv",
        missing="results/{dataset}/{recipe}/missing.csv",
        manifest="results/{dataset}/{recipe}/manifest.csv",
    log:
        "results/logs/{dataset}/{recipe}/import_features.log",
    wildcard_constraints:
        recipe=IMPORTED,
        dataset=FILMED,
    conda:
        "../envs/video.yaml"
    resources:
        limit=values.missing_limit,  # checked again where numbers are made: rule completeness
    params:
        words=values.imported,
        listing=values.published_listing,
        code=values.code("import_features"),
    shell:
        "python .snakemake/wstal/scripts/import_features.py {params.words:q}"
        " --max-missing {resources.limit:q} |& tee {log:q}"


rule import_manifest:
    """The manifest of a dataset without videos: what its published features cover."""
    input:
        files.default_recipe("results/{dataset}/{recipe}/manifest.csv"),
    output:
        "results/{dataset}/manifest.csv",
    log:
        "results/logs/{dataset}/import_manifest.log",
    wildcard_constraints:
        dataset=alternation(VIDEOLESS),
    localrule: True
    conda:
        "../envs/video.yaml"
    params:
        code=values.code("copy_result"),
    shell:
        "python .snakemake/wstal/scripts/copy_result.py {input:q} {output:q} &> {log:q}"


rule score_given:
    """Another tool's proposals, scored under the dataset's protocol."""
    input:
        ground_truth="results/{dataset}/annotations.json",
        predictions=files.given_proposals,
    output:
        output="results/{dataset}/given/{given}/map.csv",
    log:
        "results/logs/{dataset}/given/{given}.log",
    wildcard_constraints:
        given=r"[a-z][a-z0-9_-]*",
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        protocol=values.protocol,
        code=values.code("evaluate"),
    shell:
        "python .snakemake/wstal/scripts/evaluate.py {params.files:q} --checkpoint given"
        " --protocol {params.protocol:q} |& tee {log:q}"
