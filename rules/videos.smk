"""Videos: rendered for the demo; for every other dataset they are where the user put them."""


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
