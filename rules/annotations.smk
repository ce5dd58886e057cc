"""Annotations and the manifest of videos."""


rule annotations:
    """Turn a dataset's own label files into the annotation database and the training labels."""
    input:
        from_dataset(annotation_files),
    output:
        annotations="results/{dataset}/annotations.json",
        training="results/{dataset}/training_labels.json",
    log:
        "results/logs/{dataset}/annotations.log",
    wildcard_constraints:
        dataset=FILMED,
    localrule: True
    conda:
        "../envs/video.yaml"
    params:
        settings=label_settings,
        code=code_digest("scripts/annotate.py"),
    shell:
        "python scripts/annotate.py --dataset {wildcards.dataset} --settings {params.settings:q}"
        " --files {input} --output {output.annotations} --training {output.training}"
        " > {log} 2>&1"


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
        "python scripts/probe_videos.py --annotations {input.annotations}"
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
        dataset=FILMED,
    localrule: True
    conda:
        "../envs/video.yaml"
    params:
        code=code_digest("scripts/merge_manifest.py"),
    shell:
        "python scripts/merge_manifest.py --annotations {input.annotations}"
        " --shards {input.shards} --output {output} > {log} 2>&1"
