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
        render=values.setting("render"),
        folder=subpath(output.labels, parent=True),
        code=values.code("render_demo"),
    shell:
        "python .snakemake/wstal/scripts/render_demo.py --output {params.folder:q} --jobs {threads:q}"
        " --config {params.render:q} &> {log:q}"


rule fetch_videos:
    """Fetch a dataset's public archives and unpack its videos; only where asked for by name."""
    input:
        annotations="results/{dataset}/videos.json",
        facts=files.of_dataset(dataset_files.facts_file),
    output:
        output="results/{dataset}/videos/fetched.csv",
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
        files=named_files,
        code=values.code("fetch_videos"),
    shell:
        "python .snakemake/wstal/scripts/fetch_videos.py --dataset {wildcards.dataset:q} {params.files:q}"
        " --jobs {threads:q} |& tee {log:q}"
