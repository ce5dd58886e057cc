"""Optical flow, kept or streamed into its network."""


ruleorder: i3d_flow_streamed > i3d_flow


rule flow:
    """Flow between neighbouring frames, quantised, in chunks of one snippet."""
    input:
        frames="results/{dataset}/{recipe}/frames/shard{shard}.csv",
    output:
        output="results/{dataset}/{recipe}/flow/shard{shard}.csv",
    log:
        "results/logs/{dataset}/{recipe}/flow/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/flow/shard{shard}.tsv"
    conda:
        "../envs/gpu.yaml"
    resources:
        gpu=GPU,
        device=config["device"] if GPU else "cpu",
        recipe=values.recipe_part("flow"),
    params:
        files=named_files,
        numbers=values.recipe_numbers("flow"),
        code=values.stage_code("flow"),
    shell:
        "python .snakemake/wstal/scripts/extract_flow.py {params.files:q} --recipe {resources.recipe:q}"
        " --device {resources.device:q} --code {params.code:q} &> {log:q}"


rule i3d_flow_streamed:
    """As i3d_flow, with flow that is computed on the way (`cache_flow: false`)."""
    input:
        frames="results/{dataset}/{recipe}/frames/shard{shard}.csv",
        weights=files.weights("i3d", "flow"),
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
        **ON_GPU,
        **values.recipe_parts("i3d", "flow"),
    params:
        network=values.network("i3d", "flow", "flow"),
        codes=values.stage_codes(code="i3d_flow", flow_code="flow"),
    shell:
        "python .snakemake/wstal/scripts/stream_i3d_flow.py --frames {input.frames:q}"
        " --weights {params.network[0]:q} --recipe {resources.i3d:q} --flow-recipe {resources.flow:q}"
        " {params.codes:q} --device {resources.device:q} --output {output:q} &> {log:q}"
