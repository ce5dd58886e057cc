"""Evaluation: from proposals, or a class per second, to the headline, with its uncertainty."""

SEED = "results/{dataset}/{recipe}/{run}/seed{seed}"
OF_SEED = {
    "intervals": "--scores-by-iteration",
    "proposals": "--predictions",
    "history": "--proposals-by-iteration",
}


rule completeness:
    """No more videos without features than `max_missing` allows: checked for whatever is told."""
    input:
        "results/{dataset}/{recipe}/coverage.csv",
    output:
        "results/{dataset}/{recipe}/completeness.csv",
    log:
        "results/logs/{dataset}/{recipe}/completeness.log",
    priority: 1  # before anything is trained for numbers that will not be told
    localrule: True
    conda:
        "../envs/evaluate.yaml"
    params:
        max_missing=missing_limit,
        code=code_digest("scripts/check_completeness.py"),
    shell:
        "python scripts/check_completeness.py --coverage {input}"
        " --max-missing {params.max_missing} --output {output} 2>&1 | tee {log}"


rule evaluate:
    """One seed's mAP, or accuracy: last iterate, best on validation, what the paper's code keeps."""
    input:
        annotations="results/{dataset}/annotations.json",
        coverage="results/{dataset}/{recipe}/coverage.csv",
        scores=f"{SEED}/scores.h5",
        intervals=for_task("events", f"{SEED}/scores_by_iteration.h5"),
        proposals=for_task("detection", f"{SEED}/proposals.json"),
        history=for_task("detection", f"{SEED}/proposals_by_iteration.json.gz"),
        constant=for_task("detection", f"{SEED}/proposals_constant_attention.json"),
    output:
        f"{SEED}/map.csv",
    log:
        "results/logs/{dataset}/{recipe}/{run}/seed{seed}/evaluate.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/{run}/evaluate.seed{seed}.tsv"
    conda:
        "../envs/evaluate.yaml"
    params:
        protocol=protocol,
        paper=paper_protocol,
        given=options(**OF_SEED, constant="--constant-attention"),
        code=code_digest("scripts/evaluate.py"),
    shell:
        "python scripts/evaluate.py --ground-truth {input.annotations} --coverage {input.coverage}"
        " --scores {input.scores} {params.given} --protocol {params.protocol:q}"
        " --paper-protocol {params.paper:q} --output {output} > {log} 2>&1"


rule baselines:
    """What no learning reaches: random, whole-video and oracle-class random proposals."""
    input:
        annotations="results/{dataset}/annotations.json",
        manifest=videos_manifest,
        coverage="results/{dataset}/{recipe}/coverage.csv",
    output:
        "results/{dataset}/{recipe}/baselines.csv",
    log:
        "results/logs/{dataset}/{recipe}/baselines.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        protocol=protocol,
        code=code_digest("scripts/baselines.py"),
    shell:
        "python scripts/baselines.py --ground-truth {input.annotations}"
        " --manifest {input.manifest} --coverage {input.coverage}"
        " --protocol {params.protocol:q} --output {output} 2>&1 | tee {log}"


rule summarize:
    """Mean, standard deviation and coverage over the seeds, in every reading."""
    input:
        seeds=seeds("results/{dataset}/{recipe}/{run}/seed{seed}/map.csv"),
        baselines="results/{dataset}/{recipe}/baselines.csv",
        features="results/{dataset}/{recipe}/features.h5",
        complete="results/{dataset}/{recipe}/completeness.csv",
    output:
        "results/{dataset}/{recipe}/{run}/{run}_map.csv",
    log:
        "results/logs/{dataset}/{recipe}/{run}/summarize.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        note=setting("note"),
        code=code_digest("scripts/summarize.py"),
    shell:
        "python scripts/summarize.py --seeds {input.seeds} --baselines {input.baselines}"
        " --features {input.features} --dataset {wildcards.dataset} --recipe {wildcards.recipe}"
        " --run {wildcards.run} --note={params.note:q} --output {output} > {log} 2>&1"


rule headline:
    """The result a reader looks for: the run's map table with the dataset's own recipe."""
    input:
        default_recipe("results/{dataset}/{recipe}/{run}/{run}_map.csv"),
    output:
        in_report("results/{dataset}/{run}_map.csv", "map", "Results", content="mAP"),
    log:
        "results/logs/{dataset}/{run}/headline.log",
    localrule: True
    conda:
        "../envs/evaluate.yaml"
    shell:
        "cp {input} {output} 2> {log}"


rule ledger:
    """The same proposals, or classes of seconds, under every protocol and checkpoint."""
    input:
        annotations="results/{dataset}/annotations.json",
        coverage=default_recipe("results/{dataset}/{recipe}/coverage.csv"),
        complete=default_recipe("results/{dataset}/{recipe}/completeness.csv"),
        scores=for_task("events", default_recipe_seeds("scores.h5")),
        intervals=for_task("events", default_recipe_seeds("scores_by_iteration.h5")),
        proposals=for_task("detection", default_recipe_seeds("proposals.json")),
        history=for_task("detection", default_recipe_seeds("proposals_by_iteration.json.gz")),
    output:
        in_report(
            "results/{dataset}/{run}_protocols.csv",
            "protocols",
            "Results",
            content="protocol ledger",
        ),
    log:
        "results/logs/{dataset}/{run}/ledger.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        protocols=ledger_protocols,
        given=options(**OF_SEED, scores="--scores"),
        note=setting("note"),
        code=code_digest("scripts/ledger.py"),
    shell:
        "python scripts/ledger.py --ground-truth {input.annotations} --coverage {input.coverage}"
        " {params.given} --protocols {params.protocols:q} --note={params.note:q} --output {output} > {log} 2>&1"


rule compare:
    """Paired bootstrap over videos: is one run better than the other?"""
    input:
        unpack(compared_files),
        annotations="results/{dataset}/annotations.json",
        coverage=default_recipe("results/{dataset}/{recipe}/coverage.csv"),
        complete=default_recipe("results/{dataset}/{recipe}/completeness.csv"),
    output:
        in_report(
            "results/{dataset}/compare_{run}_vs_{other}.csv",
            "compare",
            "Results",
            content="against {other}",
        ),
    log:
        "results/logs/{dataset}/{run}/compare_{other}.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        protocol=protocol,
        given=options(a_intervals="--a-by-iteration", b_intervals="--b-by-iteration"),
        note=setting("note"),
        code=code_digest("scripts/compare_runs.py"),
    shell:
        "python scripts/compare_runs.py --ground-truth {input.annotations}"
        " --coverage {input.coverage} --a {input.a} --b {input.b} {params.given} --names {wildcards.run} {wildcards.other} --protocol {params.protocol:q}"
        " --note={params.note:q} --output {output} > {log} 2>&1"
