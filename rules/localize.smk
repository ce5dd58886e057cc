"""Proposals from scores."""


rule localize:
    """Proposals of the last iterate, and of each evaluation interval for the paper's reading."""
    input:
        scores=f"{RUN}/scores.h5",
        scores_by_iteration=f"{RUN}/scores_by_iteration.h5",
    output:
        output=f"{RUN}/proposals.json",
        by_iteration=f"{RUN}/proposals_by_iteration.json.gz",
        constant_attention=f"{RUN}/proposals_constant_attention.json",
    log:
        "results/logs/{dataset}/{recipe}/{run}/seed{seed}/localize.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/{run}/localize.seed{seed}.tsv"
    wildcard_constraints:
        run=TRAINED,
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        method=values.method,
        config=values.localization,
        code=values.method_code("localize", "localize"),
    shell:
        "python .snakemake/wstal/scripts/localize.py --method {params.method:q} --config {params.config:q}"
        " {params.files:q} &> {log:q}"
