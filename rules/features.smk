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
        name=weights_name,
        folder=subpath(output[0], parent=True),
    shell:
        "python scripts/fetch_weights.py {params.name} --folder {params.folder} 2>&1 | tee {log}"


rule i3d_rgb:
    """Inception-I3D features of 16-frame RGB snippets."""
    input:
        frames="results/{dataset}/{recipe}/frames/shard{shard}.csv",
        weights=weights("i3d", "rgb", path=True),
    output:
        "results/{dataset}/{recipe}/i3d_rgb/shard{shard}.csv",
    log:
        "results/logs/{dataset}/{recipe}/i3d_rgb/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/i3d_rgb/shard{shard}.tsv"
    conda:
        "../envs/gpu.yaml"
    resources:
        gpu=GPU,
        device=config["device"],
        i3d=recipe_part("i3d"),
    params:
        numbers=recipe_numbers("i3d"),
        weights=weights("i3d", "rgb", path=False),
        identity=weights_identity("i3d", "rgb"),
        code=stage_digest("i3d_rgb"),
    shell:
        "python scripts/extract_i3d.py --stream rgb --frames {input.frames}"
        " --weights {params.weights} --recipe {resources.i3d:q} --device {resources.device}"
        " --code {params.code} --output {output} > {log} 2>&1"


rule i3d_flow:
    """Inception-I3D features of 16-frame flow snippets."""
    input:
        frames="results/{dataset}/{recipe}/frames/shard{shard}.csv",
        flow="results/{dataset}/{recipe}/flow/shard{shard}.csv",
        weights=weights("i3d", "flow", path=True),
    output:
        "results/{dataset}/{recipe}/i3d_flow/shard{shard}.csv",
    log:
        "results/logs/{dataset}/{recipe}/i3d_flow/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/i3d_flow/shard{shard}.tsv"
    conda:
        "../envs/gpu.yaml"
    resources:
        gpu=GPU,
        device=config["device"],
        i3d=recipe_part("i3d"),
    params:
        numbers=recipe_numbers("i3d"),
        weights=weights("i3d", "flow", path=False),
        identity=weights_identity("i3d", "flow"),
        code=stage_digest("i3d_flow"),
    shell:
        "python scripts/extract_i3d.py --stream flow --frames {input.frames} --flow {input.flow}"
        " --weights {params.weights} --recipe {resources.i3d:q} --device {resources.device}"
        " --code {params.code} --output {output} > {log} 2>&1"


rule backbone:
    """Features of 16-frame RGB snippets by another public network."""
    input:
        frames="results/{dataset}/{recipe}/frames/shard{shard}.csv",
        weights=weights("{backbone}", path=True),
    output:
        "results/{dataset}/{recipe}/{backbone}/shard{shard}.csv",
    log:
        "results/logs/{dataset}/{recipe}/{backbone}/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/{backbone}/shard{shard}.tsv"
    conda:
        "../envs/gpu.yaml"
    resources:
        gpu=GPU,
        device=config["device"],
        backbone=recipe_part("{backbone}"),
    params:
        numbers=recipe_numbers("{backbone}"),
        weights=weights("{backbone}", path=False),
        identity=weights_identity("{backbone}"),
        code=backbone_digest,
    shell:
        "python scripts/extract_backbone.py --network {wildcards.backbone} --frames {input.frames}"
        " --weights {params.weights} --recipe {resources.backbone:q} --device {resources.device}"
        " --code {params.code} --output {output} > {log} 2>&1"


rule vggish:
    """VGGish features of the sound around each snippet."""
    input:
        frames="results/{dataset}/{recipe}/frames/shard{shard}.csv",
        audio="results/{dataset}/{recipe}/audio/shard{shard}.csv",
        weights=weights("vggish", path=True),
        pca=pca_parameters,
    output:
        "results/{dataset}/{recipe}/vggish/shard{shard}.csv",
    log:
        "results/logs/{dataset}/{recipe}/vggish/shard{shard}.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/vggish/shard{shard}.tsv"
    conda:
        "../envs/gpu.yaml"
    resources:
        gpu=GPU,
        device=config["device"],
        vggish=recipe_part("vggish"),
    params:
        numbers=recipe_numbers("vggish"),
        weights=weights("vggish", path=False),
        pca=options(pca="--pca"),
        identity=weights_identity("vggish"),
        code=stage_digest("vggish"),
    shell:
        "python scripts/extract_vggish.py --frames {input.frames} --audio {input.audio}"
        " --weights {params.weights} {params.pca} --recipe {resources.vggish:q}"
        " --device {resources.device} --code {params.code} --output {output} > {log} 2>&1"


rule pack:
    """All videos and streams on one time grid, and what became of each video."""
    input:
        manifest=unrefused("results/{dataset}/manifest.csv"),
        shards=feature_shards,
    output:
        features="results/{dataset}/{recipe}/features.h5",
        coverage="results/{dataset}/{recipe}/coverage.csv",
        missing="results/{dataset}/{recipe}/missing.csv",
    log:
        "results/logs/{dataset}/{recipe}/pack.log",
    benchmark:
        "results/benchmarks/{dataset}/{recipe}/pack.tsv"
    wildcard_constraints:
        dataset=FILMED,
        recipe=EXTRACTED,
    conda:
        "../envs/video.yaml"
    resources:
        max_missing=missing_limit,  # checked again where numbers are made: rule completeness
    params:
        recipe=recipe_numbers(),
        code=code_digest("scripts/pack_features.py"),
    shell:
        "python scripts/pack_features.py --dataset {wildcards.dataset} --manifest {input.manifest}"
        " --recipe-name {wildcards.recipe} --recipe {params.recipe:q}"
        " --shards {input.shards} --max-missing {resources.max_missing}"
        " --features {output.features} --coverage {output.coverage} --missing {output.missing}"
        " 2>&1 | tee {log}"
