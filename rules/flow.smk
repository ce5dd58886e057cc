"""Optical flow."""


rule flow:
    """Flow between neighbouring frames, quantised, in chunks of one snippet."""
    input:
        "results/{dataset}/{recipe}/frames/shard{shard}.csv",
    output:
        "results/{dataset}/{recipe}/flow/shard{shard}.csv",
    log:
        "results/logs/{dataset}/{recipe}/flow/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/flow/shard{shard}.tsv"
    conda:
        "../envs/gpu.yaml"
    params:
        recipe=recipe_part("flow"),
        code=code_digest("scripts/extract_flow.py"),
    shell:
        "python scripts/extract_flow.py --frames {input} --recipe {params.recipe:q}"
        " --code {params.code} --output {output} > {log} 2>&1"
