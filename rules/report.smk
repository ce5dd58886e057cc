"""Pictures and the run's own costs, for the report."""


rule timelines:
    """A figure per test video: ground truth, proposals, class activation, attention."""
    input:
        annotations="results/{dataset}/annotations.json",
        scores=files.of_first_seed("scores.h5"),
        proposals=files.for_task("detection", files.of_first_seed("proposals.json")),
    output:
        figures_in_report("results/{dataset}/{run}/timelines", "video", "timelines", "Timelines"),
    log:
        "results/logs/{dataset}/{run}/timelines.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        note=values.setting("note"),
        code=values.code("plot_timelines"),
    shell:
        "python .snakemake/wstal/scripts/plot_timelines.py {params.files:q} --note={params.note:q}"
        " --output {output:q} &> {log:q}"


rule viewer:
    """A page that plays every test video with its timelines: ground truth, proposals, scores."""
    input:
        ground_truth="results/{dataset}/annotations.json",
        manifest=files.videos_manifest,
        coverage=files.default_recipe("results/{dataset}/{recipe}/coverage.csv"),
        sound=files.sound_shards,
        scores=files.of_first_seed("scores.h5"),
        predictions=files.for_task("detection", files.of_first_seed("proposals.json")),
        map=files.of_first_seed("map.csv"),
    output:
        output="results/{dataset}/{run}/viewer.html",
    log:
        "results/logs/{dataset}/{run}/viewer.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        about=values.page_about,
        protocol=values.protocol,
        code=values.code("view"),
    shell:
        "python .snakemake/wstal/scripts/view.py {params.files:q} --protocol {params.protocol:q}"
        " --about {params.about:q} &> {log:q}"


rule calibrate:
    """The probability that a detection is right, fitted on validation where it is annotated."""
    input:
        ground_truth="results/{dataset}/annotations.json",
        coverage="results/{dataset}/{recipe}/coverage.csv",
        predictions=files.of_detections(files.for_task("detection", f"{RUN}/proposals.json")),
        scores=f"{RUN}/scores.h5",
    output:
        output=f"{RUN}/calibration.json",
        segments=f"{RUN}/segments.csv",
    log:
        "results/logs/{dataset}/{recipe}/{run}/seed{seed}/calibrate.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        protocol=values.protocol,
        code=values.code("calibrate"),
    shell:
        "python .snakemake/wstal/scripts/calibrate.py {params.files:q} --protocol {params.protocol:q}"
        " &> {log:q}"


rule operating:
    """Precision and recall over the threshold on the probability, mean over the seeds."""
    input:
        ground_truth="results/{dataset}/annotations.json",
        coverage=files.default_recipe("results/{dataset}/{recipe}/coverage.csv"),
        predictions=files.of_detections(files.of_seeds("proposals.json")),
        calibrations=files.of_seeds("calibration.json"),
    output:
        output="results/{dataset}/{run}/operating.csv",
        figure="results/{dataset}/{run}/operating.svg",
    log:
        "results/logs/{dataset}/{run}/operating.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        protocol=values.protocol,
        note=values.setting("note"),
        code=values.code("operate"),
    shell:
        "python .snakemake/wstal/scripts/operate.py {params.files:q} --protocol {params.protocol:q}"
        " --note={params.note:q} |& tee {log:q}"


rule diagnosis:
    """Where the errors are: false positive types, missed lengths, per class and duration."""
    input:
        files.default_recipe("results/{dataset}/{recipe}/completeness.csv"),
        ground_truth="results/{dataset}/annotations.json",
        manifest=files.videos_manifest,
        coverage=files.default_recipe("results/{dataset}/{recipe}/coverage.csv"),
        predictions=files.of_detections(files.of_first_seed("proposals.json")),
    output:
        figures_in_report("results/{dataset}/{run}/diagnosis", "figure", "diagnosis", "Diagnosis"),
    log:
        "results/logs/{dataset}/{run}/diagnosis.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        protocol=values.protocol,
        note=values.setting("note"),
        code=values.code("diagnose"),
    shell:
        "python .snakemake/wstal/scripts/diagnose.py {params.files:q} --protocol {params.protocol:q}"
        " --note={params.note:q} --output {output:q} &> {log:q}"


rule missing:
    """The videos without features, and why, beside the dataset's results."""
    input:
        files.default_recipe("results/{dataset}/{recipe}/missing.csv"),
    output:
        "results/{dataset}/missing.csv",
    log:
        "results/logs/{dataset}/missing.log",
    localrule: True
    conda:
        "../envs/evaluate.yaml"
    params:
        code=values.code("copy_result"),
    shell:
        "python .snakemake/wstal/scripts/copy_result.py {input:q} {output:q} &> {log:q}"


rule figure:
    """A paper's attention figure on its own dataset: the runs of the table it belongs to."""
    input:
        unpack(files.figure_files),
    output:
        svg="results/figures/{figure}.svg",
        png="results/figures/{figure}.png",
    log:
        "results/logs/figures/{figure}.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        names=values.figure_names,
        title=values.figure_title,
        options=values.figure_options,
        code=values.code("plot_strips"),
    shell:
        "python .snakemake/wstal/scripts/plot_strips.py --annotations {input.annotations:q}"
        " --names {params.names:q} --manifest {input.manifest:q} --scores {input.scores:q}"
        " --proposals {input.proposals:q} {params.options:q} --title={params.title:q}"
        " --output {output:q} &> {log:q}"


use rule figure as figure_elsewhere with:
    output:
        svg="results/figures/{figure}.on_{dataset}.svg",
        png="results/figures/{figure}.on_{dataset}.png",
    log:
        "results/logs/figures/{figure}.on_{dataset}.log",


rule sweep:
    """A metric over the values of one setting, mean and standard deviation of the seeds."""
    input:
        maps=files.sweep_maps,
    output:
        output=expand("results/figures/{{sweep}}.{kind}", kind=("svg", "png")),
    log:
        "results/logs/figures/{sweep}.log",
    localrule: True
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        sweep=values.sweep,
        code=values.code("plot_sweep"),
    shell:
        "python .snakemake/wstal/scripts/plot_sweep.py {params.files:q} --sweep {params.sweep:q} &> {log:q}"


use rule sweep as sweep_elsewhere with:
    output:
        output=expand("results/figures/{{sweep}}.on_{{dataset}}.{kind}", kind=("svg", "png")),
    log:
        "results/logs/figures/{sweep}.on_{dataset}.log",


rule acn_figures:
    """ACN's figures, which are diagrams: drawn from its config and its modules, no data."""
    output:
        expand("results/figures/acn_figure{n}.{kind}", n=(1, 2), kind=("svg", "png")),
    log:
        "results/logs/figures/acn_figures.log",
    localrule: True
    conda:
        "../envs/evaluate.yaml"
    params:
        configs=values.acn_configs,
        code=values.code("draw_acn"),
    shell:
        "python .snakemake/wstal/scripts/draw_acn.py --configs {params.configs:q} --formats svg png"
        " --folder results/figures &> {log:q}"


rule cavf_figure1:
    """CAVF's architecture as a diagram: drawn from its config, no data."""
    output:
        expand("results/figures/cavf_figure1.{kind}", kind=("svg", "png")),
    log:
        "results/logs/figures/cavf_figure1.log",
    localrule: True
    conda:
        "../envs/evaluate.yaml"
    params:
        config=values.cavf_config,
        code=values.code("draw_cavf"),
    shell:
        "python .snakemake/wstal/scripts/draw_cavf.py --config {params.config:q} --output {output:q}"
        " &> {log:q}"
