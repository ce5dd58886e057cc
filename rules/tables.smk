"""The papers' tables: paper, ours and the difference."""


rule table:
    """One table of a paper on the paper's own datasets."""
    input:
        paper=table_paper,
        results=table_results,
    output:
        csv="results/tables/{table}.csv",
        markdown=in_report("results/tables/{table}.md", "table", "Tables", dataset="the paper's"),
    log:
        "results/logs/tables/{table}.log",
    localrule: True
    conda:
        "../envs/evaluate.yaml"
    params:
        table=table_json,
        code=code_digest("scripts/make_table.py"),
    shell:
        "python scripts/make_table.py --table {params.table:q} --paper {input.paper}"
        " --results {input.results} --output {output.csv} --markdown {output.markdown}"
        " > {log} 2>&1"


rule table_elsewhere:
    """The rows of a table on another dataset: no paper numbers, no differences."""
    input:
        paper=table_paper,
        results=table_results,
    output:
        csv="results/tables/{table}.on_{dataset}.csv",
        markdown=in_report("results/tables/{table}.on_{dataset}.md", "table", "Tables"),
    log:
        "results/logs/tables/{table}.on_{dataset}.log",
    localrule: True
    conda:
        "../envs/evaluate.yaml"
    params:
        table=table_json,
        note=setting("note"),
        code=code_digest("scripts/make_table.py"),
    shell:
        "python scripts/make_table.py --table {params.table:q} --paper {input.paper}"
        " --results {input.results} --dataset {wildcards.dataset} --note={params.note:q}"
        " --output {output.csv} --markdown {output.markdown} > {log} 2>&1"


rule methods:
    """Every method that suits a dataset, side by side."""
    input:
        suited_maps,
    output:
        csv="results/{dataset}/methods.csv",
        markdown=in_report("results/{dataset}/methods.md", "table", "Tables", table="methods"),
    log:
        "results/logs/{dataset}/methods.log",
    localrule: True
    conda:
        "../envs/evaluate.yaml"
    params:
        title=methods_title,
        left_out=methods_left_out,
        code=code_digest("scripts/list_methods.py"),
    shell:
        "python scripts/list_methods.py --maps {input} --title {params.title:q}"
        " --left-out {params.left_out:q} --output {output.csv} --markdown {output.markdown}"
        " > {log} 2>&1"


rule macs:
    """What a trained run computes per snippet."""
    input:
        default_recipe_seeds("checkpoint.pt", first=True),
    output:
        "results/{dataset}/{run}_macs.csv",
    log:
        "results/logs/{dataset}/{run}/macs.log",
    wildcard_constraints:
        run=TRAINED,
    conda:
        "../envs/gpu.yaml"
    params:
        recipe=setting("recipe"),
        code=method_digest("scripts/count_macs.py", "loss"),
    shell:
        "python scripts/count_macs.py --checkpoint {input} --dataset {wildcards.dataset}"
        " --recipe {params.recipe} --run {wildcards.run} --output {output} > {log} 2>&1"
