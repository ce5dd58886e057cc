"""Pictures and the run's own costs, for the report."""


rule timelines:
    """A figure per test video: ground truth, proposals, class activation, attention."""
    input:
        annotations="results/{dataset}/annotations.json",
        scores=default_recipe_seeds("scores.h5", first=True),
        proposals=for_task("detection", default_recipe_seeds("proposals.json", first=True)),
    output:
        report(
            directory("results/{dataset}/{run}/timelines"),
            patterns=["{video}.svg"],
            caption="../workflow/report/timelines.rst",
            category="Timelines",
            labels={"video": "{video}"},
        ),
    log:
        "results/logs/{dataset}/{run}/timelines.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        given=options(proposals="--proposals"),
        note=setting("note"),
        code=code_digest("scripts/plot_timelines.py"),
    shell:
        "python scripts/plot_timelines.py --annotations {input.annotations}"
        " --scores {input.scores} {params.given} --note={params.note:q}"
        " --output {output} > {log} 2>&1"


rule viewer:
    """A page that plays every test video with its timelines: ground truth, proposals, scores."""
    input:
        annotations="results/{dataset}/annotations.json",
        manifest=videos_manifest,
        coverage=default_recipe("results/{dataset}/{recipe}/coverage.csv"),
        sound=sound_shards,
        scores=default_recipe_seeds("scores.h5", first=True),
        proposals=for_task("detection", default_recipe_seeds("proposals.json", first=True)),
        map=default_recipe_seeds("map.csv", first=True),
    output:
        "results/{dataset}/{run}/viewer.html",
    log:
        "results/logs/{dataset}/{run}/viewer.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        about=run_names,
        protocol=protocol,
        given=options(proposals="--predictions", sound="--sound"),
        code=code_digest("scripts/view.py"),
    shell:
        "python scripts/view.py --ground-truth {input.annotations} --manifest {input.manifest}"
        " --coverage {input.coverage} --scores {input.scores} --map {input.map} {params.given} --protocol {params.protocol:q}"
        " --about {params.about:q} --output {output} > {log} 2>&1"


rule diagnosis:
    """Where the errors are: false positive types, missed lengths, per class and duration."""
    input:
        annotations="results/{dataset}/annotations.json",
        manifest=videos_manifest,
        coverage=default_recipe("results/{dataset}/{recipe}/coverage.csv"),
        complete=default_recipe("results/{dataset}/{recipe}/completeness.csv"),
        proposals=detections_of(default_recipe_seeds("proposals.json", first=True)),
    output:
        report(
            directory("results/{dataset}/{run}/diagnosis"),
            patterns=["{figure}.svg"],
            caption="../workflow/report/diagnosis.rst",
            category="Diagnosis",
            labels={"figure": "{figure}"},
        ),
    log:
        "results/logs/{dataset}/{run}/diagnosis.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        protocol=protocol,
        note=setting("note"),
        code=code_digest("scripts/diagnose.py"),
    shell:
        "python scripts/diagnose.py --ground-truth {input.annotations}"
        " --manifest {input.manifest} --coverage {input.coverage} --predictions {input.proposals} --protocol {params.protocol:q} --note={params.note:q}"
        " --output {output} > {log} 2>&1"


rule missing:
    """The videos without features, and why, beside the dataset's results."""
    input:
        default_recipe("results/{dataset}/{recipe}/missing.csv"),
    output:
        "results/{dataset}/missing.csv",
    log:
        "results/logs/{dataset}/missing.log",
    localrule: True
    conda:
        "../envs/evaluate.yaml"
    shell:
        "cp {input} {output} 2> {log}"


rule figure:
    """A paper's attention figure on its own dataset: the runs of the table it belongs to."""
    input:
        unpack(figure_files),
    output:
        svg="results/figures/{figure}.svg",
        png="results/figures/{figure}.png",
    log:
        "results/logs/figures/{figure}.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        names=figure_names,
        title=figure_title,
        options=figure_options,
        code=code_digest("scripts/plot_strips.py"),
    shell:
        "python scripts/plot_strips.py --annotations {input.annotations}"
        " --manifest {input.manifest} --scores {input.scores} --names {params.names:q}"
        " {params.options} --title={params.title:q} --output {output} > {log} 2>&1"


use rule figure as figure_elsewhere with:
    output:
        svg="results/figures/{figure}.on_{dataset}.svg",
        png="results/figures/{figure}.on_{dataset}.png",
    log:
        "results/logs/figures/{figure}.on_{dataset}.log",


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
        configs=acn_configs,
        code=code_digest("scripts/draw_acn.py"),
    shell:
        "python scripts/draw_acn.py --configs {params.configs:q} --formats svg png"
        " --folder results/figures > {log} 2>&1"
