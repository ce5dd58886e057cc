"""Videos: rendered for the demo, fetched where asked for, else where the user put them."""


rule render_demo:
    """Render the demo videos with their labels and segments."""
    output:
        labels="results/{dataset}/videos/labels.csv",
        segments="results/{dataset}/videos/segments.csv",
    log:
        "results/logs/{dataset}/render.log",
    benchmark:
        "results/benchmarks/{dataset}/render.tsv"
    wildcard_constraints:
        dataset=of_kind("demo"),
    conda:
        "../envs/video.yaml"
    threads: 2
    params:
        render=setting("render"),
        folder=subpath(output.labels, parent=True),
        code=code_digest("scripts/render_demo.py"),
    shell:
        "python scripts/render_demo.py --output {params.folder} --jobs {threads}"
        " --config {params.render:q} > {log} 2>&1"


rule fetch_videos:
    """Fetch a dataset's public archives and unpack its videos; only where asked for by name."""
    input:
        videos="results/{dataset}/videos.json",
        facts=from_dataset(facts_file),
    output:
        "results/{dataset}/videos/fetched.csv",
    log:
        "results/logs/{dataset}/fetch_videos.log",
    benchmark:
        "results/benchmarks/{dataset}/fetch_videos.tsv"
    wildcard_constraints:
        dataset=of_kind("thumos14", "activitynet", "ave"),
    conda:
        "../envs/video.yaml"
    threads: 8
    params:
        code=code_digest("scripts/fetch_videos.py"),
    shell:
        "python scripts/fetch_videos.py --dataset {wildcards.dataset} --facts {input.facts}"
        " --annotations {input.videos} --output {output} --jobs {threads} 2>&1 | tee {log}"
