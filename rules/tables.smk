"""The papers' tables: paper, ours and the difference."""


rule table:
    """One table of a paper on the paper's own datasets."""
    input:
        paper=files.table_paper,
        results=files.table_results,
    output:
        output="results/tables/{table}.csv",
        markdown=in_report("results/tables/{table}.md", "table", "Tables", dataset="the paper's"),
    log:
        "results/logs/tables/{table}.log",
    localrule: True
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        table=values.table,
        code=values.code("make_table"),
    shell:
        "python .snakemake/wstal/scripts/make_table.py --table {params.table:q} {params.files:q}"
        " --code {params.code:q} &> {log:q}"


rule table_elsewhere:
    """The rows of a table on another dataset: no paper numbers, no differences."""
    input:
        paper=files.table_paper,
        results=files.table_results,
    output:
        output="results/tables/{table}.on_{dataset}.csv",
        markdown=in_report("results/tables/{table}.on_{dataset}.md", "table", "Tables"),
    log:
        "results/logs/tables/{table}.on_{dataset}.log",
    localrule: True
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        table=values.table,
        note=values.setting("note"),
        code=values.code("make_table"),
    shell:
        "python .snakemake/wstal/scripts/make_table.py --table {params.table:q} {params.files:q}"
        " --dataset {wildcards.dataset:q} --note={params.note:q} --code {params.code:q} &> {log:q}"


rule methods:
    """Every method that suits a dataset, side by side."""
    input:
        maps=files.suited_maps,
    output:
        output="results/{dataset}/methods.csv",
        markdown=in_report("results/{dataset}/methods.md", "table", "Tables", table="methods"),
    log:
        "results/logs/{dataset}/methods.log",
    localrule: True
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        title=values.methods_title,
        left_out=values.methods_left_out,
        code=values.code("list_methods"),
    shell:
        "python .snakemake/wstal/scripts/list_methods.py {params.files:q} --title {params.title:q}"
        " --left-out {params.left_out:q} &> {log:q}"


rule gap:
    """From the paper's number to ours: the effect of each known cause, measured alone."""
    input:
        maps=files.gap_maps,
        paper=files.gap_paper,
        ledger="results/{dataset}/{run}_protocols.csv",
        ground_truth="results/{dataset}/annotations.json",
        scores=files.for_task("detection", files.of_seeds("scores.h5")),
    output:
        output="results/{dataset}/{run}_gap.csv",
        markdown=in_report("results/{dataset}/{run}_gap.md", "gap", "Results", content="gap"),
    log:
        "results/logs/{dataset}/{run}/gap.log",
    conda:
        "../envs/evaluate.yaml"
    params:
        files=named_files,
        about=values.gap,
        code=values.code("explain_gap"),
    shell:
        "python .snakemake/wstal/scripts/explain_gap.py {params.files:q} --about {params.about:q} &> {log:q}"


rule macs:
    """What a trained run computes per snippet."""
    input:
        files.of_first_seed("checkpoint.pt"),
    output:
        "results/{dataset}/{run}_macs.csv",
    log:
        "results/logs/{dataset}/{run}/macs.log",
    wildcard_constraints:
        run=TRAINED,
    conda:
        "../envs/gpu.yaml"
    params:
        recipe=values.setting("recipe"),
        code=values.method_code("count_macs", "loss"),
    shell:
        "python .snakemake/wstal/scripts/count_macs.py --checkpoint {input:q} --dataset {wildcards.dataset:q}"
        " --recipe {params.recipe:q} --run {wildcards.run:q} --output {output:q} &> {log:q}"
