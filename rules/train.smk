"""Training, one job per run and seed."""


rule train:
    """Train a run on video-level labels; keep the last iterate, and scores on the way."""
    input:
        features="results/{dataset}/{recipe}/features.h5",
        labels="results/{dataset}/training_labels.json",
    output:
        checkpoint="results/{dataset}/{recipe}/{run}/seed{seed}/checkpoint.pt",
        history="results/{dataset}/{recipe}/{run}/seed{seed}/log.csv",
        scores="results/{dataset}/{recipe}/{run}/seed{seed}/scores_by_iteration.h5",
    log:
        "results/logs/{dataset}/{recipe}/{run}/seed{seed}/train.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/{run}/train.seed{seed}.tsv"
    conda:
        "../envs/gpu.yaml"
    resources:
        gpu=GPU,
        device=config["device"],
    params:
        method=method_of,
        config=run_part(),
        code=method_digest("scripts/train.py", "models"),
    shell:
        "python scripts/train.py --method {params.method} --features {input.features}"
        " --annotations {input.labels} --config {params.config:q} --seed {wildcards.seed}"
        " --device {resources.device} --code {params.code} --checkpoint {output.checkpoint}"
        " --log {output.history} --scores-by-iteration {output.scores} > {log} 2>&1"


rule score:
    """The class activation sequences of the last iterate."""
    input:
        features="results/{dataset}/{recipe}/features.h5",
        checkpoint="results/{dataset}/{recipe}/{run}/seed{seed}/checkpoint.pt",
    output:
        "results/{dataset}/{recipe}/{run}/seed{seed}/scores.h5",
    log:
        "results/logs/{dataset}/{recipe}/{run}/seed{seed}/score.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/{run}/score.seed{seed}.tsv"
    conda:
        "../envs/gpu.yaml"
    resources:
        gpu=GPU,
        device=config["device"],
    params:
        code=method_digest("scripts/score.py", "models"),
    shell:
        "python scripts/score.py --features {input.features} --checkpoint {input.checkpoint}"
        " --device {resources.device} --output {output} > {log} 2>&1"
