"""Runs that join the proposals of others (`fuse_from`) instead of being trained."""

STREAM_FILES = (
    "scores.h5",
    "proposals.json",
    "proposals_by_iteration.json.gz",
    "proposals_constant_attention.json",
)


rule fuse:
    """Scores and proposals of two streams' runs, of the same seed, as one."""
    input:
        rgb=files.of_run("fuse_from", *STREAM_FILES, stream="rgb"),
        flow=files.of_run("fuse_from", *STREAM_FILES, stream="flow"),
    output:
        expand("results/{{dataset}}/{{recipe}}/{{run}}/seed{{seed}}/{file}", file=STREAM_FILES),
    log:
        "results/logs/{dataset}/{recipe}/{run}/seed{seed}/fuse.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/{run}/fuse.seed{seed}.tsv"
    wildcard_constraints:
        run=FUSED,
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        config=values.localization,
        code=values.code("fuse"),
    shell:
        "python .snakemake/wstal/scripts/fuse.py {params.files:q} --config {params.config:q}"
        " --output {output:q} &> {log:q}"
