"""A baseline without training: the names of classes, by the text side of a recipe's backbone."""

ZERO_SHOT = "results/{dataset}/{recipe}/zero_shot"


rule class_vectors:
    """The names of a dataset's classes as vectors in the space of the features."""
    input:
        files.text_weights,
        annotations="results/{dataset}/training_labels.json",
    output:
        output="results/{dataset}/{recipe}/class_vectors.h5",
    log:
        "results/logs/{dataset}/{recipe}/class_vectors.log",
    conda:
        "../envs/gpu.yaml"
    params:
        files=named_files,
        text=values.class_text,
        network=values.text_network,
        code=values.text_code,
    shell:
        "python .snakemake/wstal/scripts/class_vectors.py {params.files:q} {params.text:q}"
        " --weights {params.network[0]:q} &> {log:q}"


rule zero_shot_score:
    """Class activation sequences from cosines of rows and class vectors."""
    input:
        features="results/{dataset}/{recipe}/features.h5",
        text="results/{dataset}/{recipe}/class_vectors.h5",
    output:
        output=f"{ZERO_SHOT}/scores.h5",
    log:
        "results/logs/{dataset}/{recipe}/zero_shot/score.log",
    conda:
        "../envs/gpu.yaml"
    params:
        files=named_files,
        code=values.code("zero_shot"),
    shell:
        "python .snakemake/wstal/scripts/zero_shot.py {params.files:q} &> {log:q}"


rule zero_shot_localize:
    """Their proposals, by CO2-Net's localization."""
    input:
        scores=f"{ZERO_SHOT}/scores.h5",
    output:
        output=f"{ZERO_SHOT}/proposals.json",
    log:
        "results/logs/{dataset}/{recipe}/zero_shot/localize.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        config=values.zero_shot_localization,
        code=values.code("localize", "wstal.methods.co2net.localize"),
    shell:
        "python .snakemake/wstal/scripts/localize.py --method co2net --config {params.config:q}"
        " {params.files:q} &> {log:q}"


rule zero_shot_evaluate:
    """Their mAP, or accuracy, under the dataset's protocol."""
    input:
        ground_truth="results/{dataset}/annotations.json",
        coverage="results/{dataset}/{recipe}/coverage.csv",
        scores=f"{ZERO_SHOT}/scores.h5",
        predictions=files.for_task("detection", f"{ZERO_SHOT}/proposals.json"),
    output:
        output=f"{ZERO_SHOT}/map.csv",
    log:
        "results/logs/{dataset}/{recipe}/zero_shot/evaluate.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        protocol=values.protocol,
        code=values.code("evaluate"),
    shell:
        "python .snakemake/wstal/scripts/evaluate.py {params.files:q} --protocol {params.protocol:q}"
        " --code {params.code:q} &> {log:q}"


rule zero_shot:
    """The same as rows of a headline, each with the note that no training label was seen."""
    input:
        "results/{dataset}/{recipe}/completeness.csv",
        seeds=f"{ZERO_SHOT}/map.csv",
        features="results/{dataset}/{recipe}/features.h5",
    output:
        output="results/{dataset}/{recipe}/zero_shot_map.csv",
    log:
        "results/logs/{dataset}/{recipe}/zero_shot/summarize.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        protocol=values.protocol,
        note=values.zero_shot_note,
        code=values.code("summarize"),
    shell:
        "python .snakemake/wstal/scripts/summarize.py {params.files:q} --dataset {wildcards.dataset:q}"
        " --recipe {wildcards.recipe:q} --run zero_shot --protocol {params.protocol:q}"
        " --note={params.note:q} --code {params.code:q} &> {log:q}"
