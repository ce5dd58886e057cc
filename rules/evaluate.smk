"""Evaluation: from proposals, or a class per second, to the headline, with its uncertainty."""

HISTORY = "proposals_by_iteration.json.gz"
LEDGER = "results/{dataset}/{run}_protocols.csv"
COMPARED = "results/{dataset}/compare_{run}_vs_{other}.csv"


rule completeness:
    """No more videos without features than `max_missing` allows: checked before any result."""
    input:
        coverage="results/{dataset}/{recipe}/coverage.csv",
        manifest=files.videos_manifest,
    output:
        output="results/{dataset}/{recipe}/completeness.csv",
    log:
        "results/logs/{dataset}/{recipe}/completeness.log",
    priority: 1  # before anything is trained for numbers that would not be shown
    localrule: True
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        max_missing=values.missing_limit,
        code=values.code("check_completeness"),
    shell:
        "python .snakemake/wstal/scripts/check_completeness.py {params.files:q}"
        " --max-missing {params.max_missing:q} |& tee {log:q}"


rule evaluate:
    """One seed's mAP, or accuracy: last iterate, best on validation, best on test, the paper's."""
    input:
        ground_truth="results/{dataset}/annotations.json",
        coverage="results/{dataset}/{recipe}/coverage.csv",
        scores=f"{RUN}/scores.h5",
        scores_by_iteration=files.for_task("events", f"{RUN}/scores_by_iteration.h5"),
        predictions=files.for_task("detection", f"{RUN}/proposals.json"),
        proposals_by_iteration=files.for_task("detection", f"{RUN}/{HISTORY}"),
        constant_attention=files.for_task("detection", f"{RUN}/proposals_constant_attention.json"),
    output:
        output=f"{RUN}/map.csv",
    log:
        "results/logs/{dataset}/{recipe}/{run}/seed{seed}/evaluate.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/{run}/evaluate.seed{seed}.tsv"
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        protocols=values.protocols,
        code=values.code("evaluate"),
    shell:
        "python .snakemake/wstal/scripts/evaluate.py {params.files:q} {params.protocols:q}"
        " --code {params.code:q} &> {log:q}"


rule baselines:
    """What no learning reaches: random, whole-video and oracle-class random proposals."""
    input:
        ground_truth="results/{dataset}/annotations.json",
        manifest=files.videos_manifest,
        coverage="results/{dataset}/{recipe}/coverage.csv",
    output:
        output="results/{dataset}/{recipe}/baselines.csv",
    log:
        "results/logs/{dataset}/{recipe}/baselines.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        protocol=values.protocol,
        code=values.code("baselines"),
    shell:
        "python .snakemake/wstal/scripts/baselines.py {params.files:q} --protocol {params.protocol:q}"
        " |& tee {log:q}"


rule summarize:
    """Mean, standard deviation and coverage over the seeds, in every reading."""
    input:
        "results/{dataset}/{recipe}/completeness.csv",
        seeds=files.seeds("results/{dataset}/{recipe}/{run}/seed{seed}/map.csv"),
        baselines="results/{dataset}/{recipe}/baselines.csv",
        features="results/{dataset}/{recipe}/features.h5",
    output:
        output="results/{dataset}/{recipe}/{run}/{run}_map.csv",
    log:
        "results/logs/{dataset}/{recipe}/{run}/summarize.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        protocols=values.protocols,
        note=values.result_note,
        code=values.code("summarize"),
    shell:
        "python .snakemake/wstal/scripts/summarize.py {params.files:q} --dataset {wildcards.dataset:q}"
        " --recipe {wildcards.recipe:q} --run {wildcards.run:q} {params.protocols:q}"
        " --note={params.note:q} --code {params.code:q} &> {log:q}"


rule headline:
    """The result a reader looks for: the run's map table with the dataset's own recipe."""
    input:
        files.default_recipe("results/{dataset}/{recipe}/{run}/{run}_map.csv"),
    output:
        in_report("results/{dataset}/{run}_map.csv", "map", "Results", content="mAP"),
    log:
        "results/logs/{dataset}/{run}/headline.log",
    localrule: True
    conda:
        "../envs/evaluate.yaml"
    params:
        code=values.code("copy_result"),
    shell:
        "python .snakemake/wstal/scripts/copy_result.py {input:q} {output:q} &> {log:q}"


rule ledger:
    """The same proposals, or classes of seconds, under every protocol and checkpoint."""
    input:
        files.default_recipe("results/{dataset}/{recipe}/completeness.csv"),
        ground_truth="results/{dataset}/annotations.json",
        coverage=files.default_recipe("results/{dataset}/{recipe}/coverage.csv"),
        scores=files.for_task("events", files.of_seeds("scores.h5")),
        scores_by_iteration=files.for_task("events", files.of_seeds("scores_by_iteration.h5")),
        predictions=files.for_task("detection", files.of_seeds("proposals.json")),
        proposals_by_iteration=files.for_task("detection", files.of_seeds(HISTORY)),
    output:
        in_report(LEDGER, "protocols", "Results", content="protocol ledger"),
    log:
        "results/logs/{dataset}/{run}/ledger.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        protocols=values.ledger_protocols,
        note=values.setting("note"),
        code=values.code("ledger"),
    shell:
        "python .snakemake/wstal/scripts/ledger.py {params.files:q} --protocols {params.protocols:q}"
        " --note={params.note:q} --output {output:q} &> {log:q}"


rule compare:
    """Paired bootstrap over videos: is one run better than the other?"""
    input:
        files.default_recipe("results/{dataset}/{recipe}/completeness.csv"),
        unpack(files.compared_files),
        ground_truth="results/{dataset}/annotations.json",
        coverage=files.default_recipe("results/{dataset}/{recipe}/coverage.csv"),
    output:
        in_report(COMPARED, "compare", "Results", content="against {other}"),
    log:
        "results/logs/{dataset}/{run}/compare_{other}.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        protocol=values.protocol,
        note=values.setting("note"),
        code=values.code("compare_runs"),
    shell:
        "python .snakemake/wstal/scripts/compare_runs.py {params.files:q}"
        " --names {wildcards.run:q} {wildcards.other:q} --protocol {params.protocol:q}"
        " --note={params.note:q} --output {output:q} &> {log:q}"
