"""The demo's networks, pretrained anew on rendered clips; the demo itself uses the shipped ones."""


rule pretrain_demo:
    """All three demo networks under results/weights/demo/ (about 20 minutes, 3 GB on the way)."""
    input:
        expand(
            "results/weights/demo/demo_{network}.safetensors",
            network=["i3d_flow", "i3d_rgb", "vggish"],
        ),


rule pretrain_flow:
    """Render the clips with their flow and train the flow network."""
    output:
        weights="results/weights/demo/demo_i3d_flow.safetensors",
        record="results/weights/demo/demo_i3d_flow.json",
        pool=temp("results/weights/demo/clips.h5"),
    log:
        "results/logs/weights/demo_i3d_flow.log",
    conda:
        "../envs/gpu.yaml"
    params:
        code=values.code("pretrain_demo"),
    shell:
        "python .snakemake/wstal/scripts/pretrain_demo.py --network flow --pool {output.pool:q}"
        " --output {output.weights:q} --record {output.record:q} &> {log:q}"


rule pretrain_rgb:
    """Distil the RGB network from the flow network on the same clips."""
    input:
        pool="results/weights/demo/clips.h5",
        teacher="results/weights/demo/demo_i3d_flow.safetensors",
    output:
        weights="results/weights/demo/demo_i3d_rgb.safetensors",
        record="results/weights/demo/demo_i3d_rgb.json",
    log:
        "results/logs/weights/demo_i3d_rgb.log",
    conda:
        "../envs/gpu.yaml"
    params:
        code=values.code("pretrain_demo"),
    shell:
        "python .snakemake/wstal/scripts/pretrain_demo.py --network rgb --pool {input.pool:q}"
        " --teacher {input.teacher:q} --output {output.weights:q} --record {output.record:q}"
        " &> {log:q}"


rule pretrain_vggish:
    """Train the sound network on rendered sounds."""
    output:
        weights="results/weights/demo/demo_vggish.safetensors",
        record="results/weights/demo/demo_vggish.json",
    log:
        "results/logs/weights/demo_vggish.log",
    conda:
        "../envs/gpu.yaml"
    params:
        code=values.code("pretrain_demo"),
    shell:
        "python .snakemake/wstal/scripts/pretrain_demo.py --network vggish --output {output.weights:q}"
        " --record {output.record:q} &> {log:q}"
