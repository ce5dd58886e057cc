"""Videos: rendered for the demo; for every other dataset they are where the user put them."""


rule render_demo:
    """Render the demo videos with their labels and segments."""
    output:
        labels="results/{dataset}/videos/labels.csv",
        segments="results/{dataset}/videos/segments.csv",
    params:
        render=setting("render"),
        code=code_digest("scripts/render_demo.py"),
    log:
        "results/logs/{dataset}/render.log",
    benchmark:
        "results/benchmarks/{dataset}/render.tsv"
    conda:
        "../envs/video.yaml"
    threads: 2
    wildcard_constraints:
        dataset=alternation(name for name in DATASETS if DATASETS[name]["kind"] == "demo"),
    shell:
        "python scripts/render_demo.py --output $(dirname {output.labels}) --jobs {threads}"
        " --config {params.render:q} > {log} 2>&1"
