"""Optical flow, kept or streamed into its network."""


ruleorder: i3d_flow_streamed > i3d_flow


rule flow:
    """Flow between neighbouring frames, quantised, in chunks of one snippet."""
    input:
        "results/{dataset}/{recipe}/frames/shard{shard}.csv",
    output:
        "results/{dataset}/{recipe}/flow/shard{shard}.csv",
    log:
        "results/logs/{dataset}/{recipe}/flow/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/flow/shard{shard}.tsv"
    conda:
        "../envs/gpu.yaml"
    resources:
        gpu=GPU,
        device=config["device"] if GPU else "cpu",
        flow=recipe_part("flow"),
    params:
        numbers=recipe_numbers("flow"),
        code=stage_digest("flow"),
    shell:
        "python scripts/extract_flow.py --frames {input} --recipe {resources.flow:q}"
        " --device {resources.device} --code {params.code} --output {output} > {log} 2>&1"


rule i3d_flow_streamed:
    """As i3d_flow, with flow that is computed on the way (`cache_flow: false`)."""
    input:
        frames="results/{dataset}/{recipe}/frames/shard{shard}.csv",
        weights=weights("i3d", "flow", path=True),
    output:
        "results/{dataset}/{recipe}/i3d_flow/shard{shard}.csv",
    log:
        "results/logs/{dataset}/{recipe}/i3d_flow/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/i3d_flow/shard{shard}.tsv"
    wildcard_constraints:
        recipe=STREAMED,
    conda:
        "../envs/gpu.yaml"
    resources:
        gpu=GPU,
        device=config["device"],
        i3d=recipe_part("i3d"),
        flow=recipe_part("flow"),
    params:
        numbers=recipe_numbers("i3d", "flow"),
        weights=weights("i3d", "flow", path=False),
        identity=weights_identity("i3d", "flow"),
        code=stage_digest("i3d_flow"),
        flow_code=stage_digest("flow"),
    shell:
        "python scripts/stream_i3d_flow.py --frames {input.frames} --weights {params.weights}"
        " --recipe {resources.i3d:q} --flow-recipe {resources.flow:q} --device {resources.device}"
        " --code {params.code} --flow-code {params.flow_code} --output {output} > {log} 2>&1"
