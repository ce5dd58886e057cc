"""Annotations and the manifest of videos."""


rule fetch_annotations:
    """Download a dataset's published label files, or say what to place where."""
    input:
        from_dataset(facts_file),
    output:
        "results/{dataset}/published/fetched.csv",
    log:
        "results/logs/{dataset}/fetch_annotations.log",
    wildcard_constraints:
        dataset=of_kind("thumos14", "activitynet", "ave"),
    priority: 1  # who lacks a dataset should learn it first
    localrule: True
    conda:
        "../envs/video.yaml"
    params:
        facts=from_dataset(facts_argument),
        code=code_digest("scripts/fetch_annotations.py"),
    shell:
        "python scripts/fetch_annotations.py --dataset {wildcards.dataset} {params.facts}"
        " --output {output} 2>&1 | tee {log}"


rule annotations:
    """Turn a dataset's own label files into the annotation database and the training labels."""
    input:
        files=from_dataset(annotation_files),
        facts=from_dataset(facts_file),
    output:
        annotations="results/{dataset}/annotations.json",
        training="results/{dataset}/training_labels.json",
        report="results/{dataset}/annotations_report.md",
    log:
        "results/logs/{dataset}/annotations.log",
    wildcard_constraints:
        dataset=FILMED,
    localrule: True
    conda:
        "../envs/video.yaml"
    params:
        settings=label_settings,
        facts=from_dataset(facts_argument),
        code=code_digest("scripts/annotate.py"),
    shell:
        "python scripts/annotate.py --dataset {wildcards.dataset} --settings {params.settings:q}"
        " --files {input.files:q} {params.facts} --output {output.annotations}"
        " --training {output.training} --report {output.report} 2>&1 | tee {log}"


rule probe:
    """Find, hash and verify the videos of a shard."""
    input:
        annotations=probe_annotations,
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
        videos=from_dataset(videos_folder),
        shards=setting("shards"),
        listing=listing,
        code=code_digest("scripts/probe_videos.py"),
    shell:
        "python scripts/probe_videos.py --annotations {input.annotations:q}"
        " --videos {params.videos:q} --shard {wildcards.shard} --shards {params.shards}"
        " --output {output} > {log} 2>&1"


rule manifest:
    """One row per video of the dataset."""
    input:
        annotations="results/{dataset}/annotations.json",
        shards=shards("results/{dataset}/manifest/shard{shard}.csv"),
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
        code=code_digest("scripts/merge_manifest.py"),
    shell:
        "python scripts/merge_manifest.py --annotations {input.annotations:q}"
        " --shards {input.shards:q} --output {output} > {log} 2>&1"
