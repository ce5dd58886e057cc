"""Training, one job per run and seed."""

RUN = "results/{dataset}/{recipe}/{run}/seed{seed}"
LOGGED = alternation(run for run in RUNS if run not in {*JOINED, *CATALOG.imported()})
TRAINING = ON_GPU | {"settings": values.settings_note}  # whose settings, for the log


ruleorder: import_checkpoint > train


rule train:
    """Train a run on video-level labels; keep the last iterate, and scores on the way."""
    input:
        unpack(files.training),
    output:
        checkpoint=f"{RUN}/checkpoint.pt",
        log=f"{RUN}/log.csv",
        scores_by_iteration=f"{RUN}/scores_by_iteration.h5",
    log:
        "results/logs/{dataset}/{recipe}/{run}/seed{seed}/train.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/{run}/train.seed{seed}.tsv"
    conda:
        "../envs/gpu.yaml"
    resources:
        **TRAINING,
    params:
        files=named_files,
        config=values.training,
        code=values.method_code("train", "loss"),
    shell:
        "python .snakemake/wstal/scripts/train.py {params.files:q} --config {params.config:q}"
        " --seed {wildcards.seed:q} --device {resources.device:q} --code {params.code:q}"
        " --settings={resources.settings:q} &> {log:q}"


rule import_checkpoint:
    """A checkpoint of a paper's own code as a trained run, with its scores as the only interval."""
    input:
        given=files.given_checkpoint,
        features="results/{dataset}/{recipe}/features.h5",
        annotations="results/{dataset}/training_labels.json",
    output:
        checkpoint=f"{RUN}/checkpoint.pt",
        scores_by_iteration=f"{RUN}/scores_by_iteration.h5",
    log:
        "results/logs/{dataset}/{recipe}/{run}/seed{seed}/import_checkpoint.log",
    wildcard_constraints:
        run=GIVEN,
    conda:
        "../envs/gpu.yaml"
    resources:
        **ON_GPU,
    params:
        files=named_files,
        config=values.training,
        code=values.method_code("import_checkpoint", "loss"),
    shell:
        "python .snakemake/wstal/scripts/import_checkpoint.py {params.files:q} --config {params.config:q}"
        " --seed {wildcards.seed:q} --device {resources.device:q} --code {params.code:q} &> {log:q}"


rule score:
    """The class activation sequences of the last iterate, of the training videos on request."""
    input:
        unpack(files.scoring),
    output:
        output=f"{RUN}/scores{{part}}.h5",
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
        **ON_GPU,
    params:
        files=named_files,
        splits=values.splits,
        code=values.method_code("score", "loss"),
    shell:
        "python .snakemake/wstal/scripts/score.py {params.files:q} {params.splits:q}"
        " --device {resources.device:q} &> {log:q}"


rule training_log:
    """What training logged near its end, over the seeds: losses, attention, active shares."""
    input:
        files.of_seeds("log.csv"),
    output:
        "results/{dataset}/{run}_log.csv",
    log:
        "results/logs/{dataset}/{run}/training_log.log",
    wildcard_constraints:
        run=LOGGED,
    localrule: True
    conda:
        "../envs/evaluate.yaml"
    params:
        code=values.code("summarize_log"),
    shell:
        "python .snakemake/wstal/scripts/summarize_log.py --logs {input:q} --output {output:q} &> {log:q}"
