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
        rgb=of_run("fuse_from", *STREAM_FILES, stream="rgb"),
        flow=of_run("fuse_from", *STREAM_FILES, stream="flow"),
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
        config=run_part(localize=True),
        code=code_digest("scripts/fuse.py"),
    shell:
        "python scripts/fuse.py --rgb {input.rgb} --flow {input.flow} --config {params.config:q}"
        " --output {output} > {log} 2>&1"
