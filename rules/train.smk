"""Training, one job per run and seed."""


rule train:
    """Train a run on video-level labels; keep the last iterate, and scores on the way."""
    input:
        features="results/{dataset}/{recipe}/features.h5",
        labels="results/{dataset}/training_labels.json",
        upstream=of_run("scores_from", "scores_train.h5", "scores.h5"),
        initial=of_run("init_from", "checkpoint.pt"),
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
        config=run_part(),
        given=options(upstream="--upstream", initial="--initial"),
        code=method_digest("scripts/train.py", "loss"),
    shell:
        "python scripts/train.py --features {input.features} --annotations {input.labels}"
        " {params.given} --config {params.config:q} --seed {wildcards.seed}"
        " --device {resources.device} --code {params.code} --checkpoint {output.checkpoint}"
        " --log {output.history} --scores-by-iteration {output.scores} > {log} 2>&1"


rule score:
    """The class activation sequences of the last iterate, of the training videos on request."""
    input:
        features="results/{dataset}/{recipe}/features.h5",
        checkpoint="results/{dataset}/{recipe}/{run}/seed{seed}/checkpoint.pt",
        upstream=of_run("scores_from", "scores{part}.h5"),
    output:
        "results/{dataset}/{recipe}/{run}/seed{seed}/scores{part}.h5",
    log:
        "results/logs/{dataset}/{recipe}/{run}/seed{seed}/score{part}.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/{run}/score{part}.seed{seed}.tsv"
    wildcard_constraints:
        run=TRAINED,
        part="|_train",
    conda:
        "../envs/gpu.yaml"
    resources:
        gpu=GPU,
        device=config["device"],
    params:
        splits=scored_splits,
        given=options(upstream="--upstream"),
        code=method_digest("scripts/score.py", "loss"),
    shell:
        "python scripts/score.py --features {input.features} --checkpoint {input.checkpoint}"
        " --splits {params.splits} {params.given} --device {resources.device}"
        " --output {output} > {log} 2>&1"


rule training_log:
    """What training logged near its end, over the seeds: losses, attention, active shares."""
    input:
        default_recipe_seeds("log.csv"),
    output:
        "results/{dataset}/{run}_log.csv",
    log:
        "results/logs/{dataset}/{run}/training_log.log",
    wildcard_constraints:
        run=TRAINED,
    localrule: True
    conda:
        "../envs/evaluate.yaml"
    params:
        code=code_digest("scripts/summarize_log.py"),
    shell:
        "python scripts/summarize_log.py --logs {input} --output {output} > {log} 2>&1"
