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


rule labels:
    """The videos, and the labels that training may read: no segment reaches what starts here."""
    input:
        files=listed_files,
        facts=from_dataset(facts_file),
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
        settings=label_settings,
        listed=from_dataset(own_lists),
        facts=from_dataset(facts_argument),
        code=code_digest("scripts/list_videos.py"),
    shell:
        "python scripts/list_videos.py --dataset {wildcards.dataset} --settings {params.settings:q}"
        " --files {input.files:q} {params.facts} --videos {output.videos}"
        " --training {output.training} 2>&1 | tee {log}"


rule annotations:
    """Turn a dataset's own label files into the annotation database, which evaluation reads."""
    input:
        files=from_dataset(sound_annotation_files),
        facts=from_dataset(facts_file),
    output:
        annotations="results/{dataset}/annotations.json",
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
        settings=annotation_settings,
        facts=from_dataset(facts_argument),
        code=code_digest("scripts/annotate.py"),
    shell:
        "python scripts/annotate.py --dataset {wildcards.dataset} --settings {params.settings:q}"
        " --files {input.files:q} {params.facts} --output {output.annotations}"
        " --report {output.report} 2>&1 | tee {log}"


rule probe:
    """Find, hash and verify the videos of a shard."""
    input:
        videos=probed_videos,
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
        code=stage_digest("probe"),
    shell:
        "python scripts/probe_videos.py --annotations {input.videos:q}"
        " --videos {params.videos:q} --shard {wildcards.shard} --shards {params.shards}"
        " --output {output} > {log} 2>&1"


rule manifest:
    """One row per video of the dataset."""
    input:
        videos="results/{dataset}/videos.json",
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
        "python scripts/merge_manifest.py --annotations {input.videos:q}"
        " --shards {input.shards:q} --output {output} > {log} 2>&1"
