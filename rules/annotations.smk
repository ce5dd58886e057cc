"""Annotations and the manifest of videos."""


rule fetch_annotations:
    """Download a dataset's published label files, or say what to place where."""
    input:
        facts=files.of_dataset(dataset_files.facts_file),
    output:
        "results/{dataset}/published/fetched.csv",
    log:
        "results/logs/{dataset}/fetch_annotations.log",
    wildcard_constraints:
        dataset=of_kind("thumos14", "activitynet", "ave"),
    priority: 1  # if a dataset is missing, the run should say so first
    localrule: True
    conda:
        "../envs/video.yaml"
    params:
        files=named_files,
        code=values.code("fetch_annotations"),
    shell:
        "python .snakemake/wstal/scripts/fetch_annotations.py"
        " --dataset {wildcards.dataset:q} {params.files:q} --output {output:q} |& tee {log:q}"


rule labels:
    """The videos, and the labels that training may read: no segment reaches what starts here."""
    input:
        files=files.listed_files,
        facts=files.of_dataset(dataset_files.facts_file),
    output:
        videos="results/{dataset}/videos.json",
        training="results/{dataset}/training_labels.json",
    log:
        "results/logs/{dataset}/labels.log",
    wildcard_constraints:
        dataset=FILMED,
    localrule: True
    conda:
        "../envs/video.yaml"
    params:
        files=named_files,
        settings=values.label_settings,
        listed=files.of_dataset(dataset_files.own_lists),
        code=values.code("list_videos"),
    shell:
        "python .snakemake/wstal/scripts/list_videos.py --dataset {wildcards.dataset:q}"
        " --settings {params.settings:q} {params.files:q} |& tee {log:q}"


rule annotations:
    """Turn a dataset's own label files into the annotation database, which evaluation reads."""
    input:
        files=files.of_dataset(dataset_files.sound_annotation_files),
        facts=files.of_dataset(dataset_files.facts_file),
    output:
        output="results/{dataset}/annotations.json",
        report="results/{dataset}/annotations_report.md",
    log:
        "results/logs/{dataset}/annotations.log",
    wildcard_constraints:
        dataset=FILMED,
    priority: 1  # a mistake in published files should end a run before its first costly job
    localrule: True
    conda:
        "../envs/video.yaml"
    params:
        files=named_files,
        settings=values.annotation_settings,
        videos=files.of_dataset(dataset_files.videos_folder),
        contents=files.of_dataset(dataset_files.annotated_contents),
        code=values.code("annotate"),
    shell:
        "python .snakemake/wstal/scripts/annotate.py --dataset {wildcards.dataset:q}"
        " --settings {params.settings:q} --videos {params.videos:q} {params.files:q} |& tee {log:q}"


rule probe:
    """Find, hash and verify the videos of a shard."""
    input:
        annotations=files.probed_videos,
    output:
        "results/{dataset}/manifest/shard{shard}.csv",
    log:
        "results/logs/{dataset}/probe/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/probe/shard{shard}.tsv"
    wildcard_constraints:
        dataset=FILMED,
    conda:
        "../envs/video.yaml"
    params:
        videos=files.of_dataset(dataset_files.videos_folder),
        shards=values.setting("shards"),
        listing=values.listing,
        code=values.stage_code("probe"),
    shell:
        "python .snakemake/wstal/scripts/probe_videos.py --annotations {input:q} --videos {params.videos:q}"
        " --shard {wildcards.shard:q} --shards {params.shards:q} --output {output:q} &> {log:q}"


rule manifest:
    """One row per video of the dataset."""
    input:
        annotations="results/{dataset}/videos.json",
        shards=files.shards("results/{dataset}/manifest/shard{shard}.csv"),
    output:
        "results/{dataset}/manifest.csv",
    log:
        "results/logs/{dataset}/manifest.log",
    wildcard_constraints:
        dataset=alternation(set(FILMED.split("|")) - VIDEOLESS),
    localrule: True
    conda:
        "../envs/video.yaml"
    params:
        files=named_files,
        code=values.code("merge_manifest"),
    shell:
        "python .snakemake/wstal/scripts/merge_manifest.py {params.files:q} --output {output:q} &> {log:q}"
