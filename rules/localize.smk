"""Proposals from scores."""


rule localize:
    """Proposals of the last iterate, and of each evaluation interval for the paper's reading."""
    input:
        scores="results/{dataset}/{recipe}/{run}/seed{seed}/scores.h5",
        history="results/{dataset}/{recipe}/{run}/seed{seed}/scores_by_iteration.h5",
    output:
        proposals="results/{dataset}/{recipe}/{run}/seed{seed}/proposals.json",
        history="results/{dataset}/{recipe}/{run}/seed{seed}/proposals_by_iteration.json.gz",
        constant="results/{dataset}/{recipe}/{run}/seed{seed}/proposals_constant_attention.json",
    log:
        "results/logs/{dataset}/{recipe}/{run}/seed{seed}/localize.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/{run}/localize.seed{seed}.tsv"
    wildcard_constraints:
        run=TRAINED,
    conda:
        "../envs/evaluate.yaml"
    params:
        method=method_of,
        config=run_part(localize=True),
        code=method_digest("scripts/localize.py", "localize"),
    shell:
        "python scripts/localize.py --method {params.method} --scores {input.scores}"
        " --scores-by-iteration {input.history} --config {params.config:q}"
        " --output {output.proposals} --by-iteration {output.history}"
        " --constant-attention {output.constant} > {log} 2>&1"
