"""Decoding: the verified timeline of each video and its sound."""


rule frames:
    """Which decoded frame stands at each k/fps s, for the videos of a shard."""
    input:
        probe="results/{dataset}/manifest/shard{shard}.csv",
    output:
        output="results/{dataset}/{recipe}/frames/shard{shard}.csv",
    log:
        "results/logs/{dataset}/{recipe}/frames/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/frames/shard{shard}.tsv"
    conda:
        "../envs/video.yaml"
    resources:
        frames=values.recipe_part("frames"),
    params:
        files=named_files,
        numbers=values.recipe_numbers("frames"),
        code=values.stage_code("frames"),
    shell:
        "python .snakemake/wstal/scripts/decode_frames.py {params.files:q} --recipe {resources.frames:q}"
        " --code {params.code:q} &> {log:q}"


rule audio:
    """The sound of each video as 16 kHz mono."""
    input:
        probe="results/{dataset}/manifest/shard{shard}.csv",
    output:
        output="results/{dataset}/{recipe}/audio/shard{shard}.csv",
    log:
        "results/logs/{dataset}/{recipe}/audio/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/audio/shard{shard}.tsv"
    conda:
        "../envs/video.yaml"
    params:
        files=named_files,
        recipe=values.recipe_part("audio"),
        code=values.stage_code("audio"),
    shell:
        "python .snakemake/wstal/scripts/decode_audio.py {params.files:q} --recipe {params.recipe:q}"
        " --code {params.code:q} &> {log:q}"
