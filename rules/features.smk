"""Pretrained weights, snippet features and the packed feature file."""


rule fetch_weights:
    """Download a public checkpoint, or take the one placed by hand, and check its identity."""
    output:
        "results/weights/{weights_file}",
    log:
        "results/logs/weights/{weights_file}.log",
    wildcard_constraints:
        weights_file=alternation(entry["file"] for entry in WEIGHTS.values()),
    localrule: True
    conda:
        "../envs/gpu.yaml"
    params:
        name=values.weights_name,
        folder=subpath(output[0], parent=True),
    shell:
        "python .snakemake/wstal/scripts/fetch_weights.py {params.name:q} --folder {params.folder:q}"
        " |& tee {log:q}"


rule i3d_rgb:
    """Inception-I3D features of RGB snippets."""
    input:
        frames="results/{dataset}/{recipe}/frames/shard{shard}.csv",
        weights=files.weights("i3d", "rgb"),
    output:
        "results/{dataset}/{recipe}/i3d_rgb/shard{shard}.csv",
    log:
        "results/logs/{dataset}/{recipe}/i3d_rgb/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/i3d_rgb/shard{shard}.tsv"
    conda:
        "../envs/gpu.yaml"
    resources:
        **ON_GPU,
        recipe=values.recipe_part("i3d"),
    params:
        network=values.network("i3d", "rgb"),
        code=values.stage_code("i3d_rgb"),
    shell:
        "python .snakemake/wstal/scripts/extract_i3d.py --stream rgb --frames {input.frames:q}"
        " --weights {params.network[0]:q} --recipe {resources.recipe:q}"
        " --code {params.code:q} --device {resources.device:q} --output {output:q} &> {log:q}"


rule i3d_flow:
    """Inception-I3D features of flow snippets."""
    input:
        frames="results/{dataset}/{recipe}/frames/shard{shard}.csv",
        flow="results/{dataset}/{recipe}/flow/shard{shard}.csv",
        weights=files.weights("i3d", "flow"),
    output:
        "results/{dataset}/{recipe}/i3d_flow/shard{shard}.csv",
    log:
        "results/logs/{dataset}/{recipe}/i3d_flow/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/i3d_flow/shard{shard}.tsv"
    conda:
        "../envs/gpu.yaml"
    resources:
        **ON_GPU,
        recipe=values.recipe_part("i3d"),
    params:
        network=values.network("i3d", "flow"),
        code=values.stage_code("i3d_flow"),
    shell:
        "python .snakemake/wstal/scripts/extract_i3d.py --stream flow --frames {input.frames:q}"
        " --flow {input.flow:q} --weights {params.network[0]:q} --recipe {resources.recipe:q}"
        " --code {params.code:q} --device {resources.device:q} --output {output:q} &> {log:q}"


rule backbone:
    """Features of snippets of RGB, or of flow, by another network."""
    input:
        files.weights("{backbone}"),
        frames="results/{dataset}/{recipe}/frames/shard{shard}.csv",
        flow=files.backbone_flow,
    output:
        output="results/{dataset}/{recipe}/{backbone}/shard{shard}.csv",
    log:
        "results/logs/{dataset}/{recipe}/{backbone}/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/{backbone}/shard{shard}.tsv"
    conda:
        "../envs/gpu.yaml"
    resources:
        **ON_GPU,
        recipe=values.recipe_part("{backbone}"),
    params:
        files=named_files,
        network=values.network("{backbone}"),
        code=values.backbone_code,
    shell:
        "python .snakemake/wstal/scripts/extract_backbone.py --network {wildcards.backbone:q}"
        " {params.files:q} --weights {params.network[0]:q} --recipe {resources.recipe:q}"
        " --device {resources.device:q} --code {params.code:q} &> {log:q}"


rule sound_backbone:
    """Features of the sound around each row, by another network than VGGish."""
    input:
        files.weights("{sound_backbone}"),
        frames="results/{dataset}/{recipe}/frames/shard{shard}.csv",
        audio="results/{dataset}/{recipe}/audio/shard{shard}.csv",
    output:
        output="results/{dataset}/{recipe}/{sound_backbone}/shard{shard}.csv",
    log:
        "results/logs/{dataset}/{recipe}/{sound_backbone}/shard{shard}.log",
    conda:
        "../envs/gpu.yaml"
    resources:
        **ON_GPU,
        recipe=values.recipe_part("{sound_backbone}"),
    params:
        files=named_files,
        network=values.network("{sound_backbone}"),
        code=values.sound_backbone_code,
    shell:
        "python .snakemake/wstal/scripts/extract_sound_backbone.py --network"
        " {wildcards.sound_backbone:q} {params.files:q} --weights {params.network[0]:q}"
        " --recipe {resources.recipe:q} --device {resources.device:q} --code {params.code:q} &> {log:q}"


rule vggish:
    """VGGish features of the sound around each snippet."""
    input:
        files.weights("vggish"),
        frames="results/{dataset}/{recipe}/frames/shard{shard}.csv",
        audio="results/{dataset}/{recipe}/audio/shard{shard}.csv",
        pca=files.pca_parameters,
    output:
        output="results/{dataset}/{recipe}/vggish/shard{shard}.csv",
    log:
        "results/logs/{dataset}/{recipe}/vggish/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/vggish/shard{shard}.tsv"
    conda:
        "../envs/gpu.yaml"
    resources:
        **ON_GPU,
        recipe=values.recipe_part("vggish"),
    params:
        files=named_files,
        network=values.network("vggish"),
        code=values.stage_code("vggish"),
    shell:
        "python .snakemake/wstal/scripts/extract_vggish.py {params.files:q} --weights {params.network[0]:q}"
        " --recipe {resources.recipe:q} --device {resources.device:q} --code {params.code:q} &> {log:q}"


rule pack:
    """All videos and streams on one time grid, and what became of each video."""
    input:
        unpack(files.packed),
    output:
        features="results/{dataset}/{recipe}/features.h5",
        coverage="results/{dataset}/{recipe}/coverage.csv",
        missing="results/{dataset}/{recipe}/missing.csv",
    log:
        "results/logs/{dataset}/{recipe}/pack.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/pack.tsv"
    wildcard_constraints:
        recipe=EXTRACTED,
        dataset=FILMED,
    conda:
        "../envs/video.yaml"
    resources:
        limit=values.missing_limit,  # checked again where numbers are made: rule completeness
    params:
        words=values.packed,
        code=values.code("pack_features"),
    shell:
        "python .snakemake/wstal/scripts/pack_features.py {params.words:q} --max-missing {resources.limit:q}"
        " |& tee {log:q}"
