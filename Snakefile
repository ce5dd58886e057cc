"""wstal: weakly-supervised temporal action localization, from raw video to the paper's table.

The rules follow the data: videos, annotations and manifest, decoding, flow, features, training,
localization, evaluation, tables and report. docs/workflow.md tells how they fit together.
"""

from snakemake.utils import min_version

min_version("9.22")


report: "workflow/report/workflow.rst"


include: "rules/common.smk"
include: "rules/videos.smk"
include: "rules/simulate.smk"
include: "rules/annotations.smk"
include: "rules/decode.smk"
include: "rules/flow.smk"
include: "rules/pretrain.smk"
include: "rules/features.smk"
include: "rules/imports.smk"
include: "rules/train.smk"
include: "rules/localize.smk"
include: "rules/fuse.smk"
include: "rules/evaluate.smk"
include: "rules/zero_shot.smk"
include: "rules/tables.smk"
include: "rules/report.smk"


onstart:
    plan_of_the_run()
    list_missing_videos()
    list_missing_weights()
    warn_of_a_full_disk()
    say_what_it_takes()


onsuccess:
    say_what_came_out()


onerror:
    say_why_it_failed()


rule all:
    """What the config asks for (`targets:`), by default the demo."""
    default_target: True
    input:
        config["targets"],


rule demo:
    """The embedded demo dataset through the whole DAG with CO2-Net."""
    input:
        "results/demo/co2net_map.csv",
        "results/demo/co2net_protocols.csv",
        "results/demo/compare_co2net_vs_co2net-loss_mil.csv",
        "results/demo/co2net/timelines",
        "results/demo/co2net/viewer.html",
        "results/demo/co2net/diagnosis",
        "results/demo/missing.csv",


rule demo_all:
    """Every method on the rendered sets, with its own recipe of training."""
    input:
        rules.demo.input,
        "results/demo/methods.csv",
        "results/demo_ave/cavf_map.csv",
        "results/demo_ave/cavf/viewer.html",


refuse_misspelt_targets()
