"""Decoding: the verified timeline of each video and its sound."""


rule frames:
    """Which decoded frame stands at each k/fps s, for the videos of a shard."""
    input:
        "results/{dataset}/manifest/shard{shard}.csv",
    output:
        "results/{dataset}/{recipe}/frames/shard{shard}.csv",
    log:
        "results/logs/{dataset}/{recipe}/frames/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/frames/shard{shard}.tsv"
    conda:
        "../envs/video.yaml"
    resources:
        frames=recipe_part("frames"),
    params:
        numbers=recipe_numbers("frames"),
        code=stage_digest("frames"),
    shell:
        "python scripts/decode_frames.py --probe {input} --recipe {resources.frames:q}"
        " --code {params.code} --output {output} > {log} 2>&1"


rule audio:
    """The sound of each video as 16 kHz mono."""
    input:
        "results/{dataset}/manifest/shard{shard}.csv",
    output:
        "results/{dataset}/{recipe}/audio/shard{shard}.csv",
    log:
        "results/logs/{dataset}/{recipe}/audio/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/audio/shard{shard}.tsv"
    conda:
        "../envs/video.yaml"
    params:
        recipe=recipe_part("audio"),
        code=stage_digest("audio"),
    shell:
        "python scripts/decode_audio.py --probe {input} --recipe {params.recipe:q}"
        " --code {params.code} --output {output} > {log} 2>&1"
