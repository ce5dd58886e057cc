"""Helpers that the rules share; no rules here."""

import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.basedir)
PACKAGE = ROOT / "workflow" / "wstal"

sys.path.insert(0, str(PACKAGE.parent))

from wstal.base import code_digest as codehash
from wstal.base.code_digest import gpu_count, gpus_per_job, prepare_jobs
from wstal.base.errors import WstalError
from wstal.base.files import canonical_json as canonical
from wstal.config.catalog import load_catalog
from wstal.config.entry import (
    annotation_files,
    facts_argument,
    facts_file,
    features_folder,
    folder_listing,
    own_lists,
    refusal,
    sound_annotation_files,
    sound_video_files,
    video_files,
    video_listing,
    videos_folder,
    weights_path,
)
from wstal.config.layers import read_yaml, split_run
from wstal.config.stages import BACKBONES, numbers_part, stage_code
from wstal.config.targets import misspelt, no_method, suited_methods, unsuited
from wstal.datasets.readers import label_choices
from wstal.tables.settings import table_figures, table_runs

CACHE = ROOT / ".snakemake" / "wstal"  # digests and checked configuration, kept from run to run

try:
    WEIGHTS = read_yaml(ROOT / "workflow/reference/weights/sources.yaml")
    CATALOG = load_catalog(config, ROOT / "workflow/config", CACHE)
    config.update(CATALOG.top)
    FIGURES = {k: v for t in CATALOG.tables.values() for k, v in table_figures(t).items()}
    GPUS = gpu_count()
    GPU = gpus_per_job(config["device"], GPUS, workflow.global_resources.get("gpu").value)
except WstalError as error:
    raise WorkflowError(str(error)) from None

prepare_jobs(ROOT, config["accept_code"])

DATASETS, RECIPES, RUNS = CATALOG.datasets, CATALOG.features, CATALOG.runs()
# Without a limit, `gpu=1` would let every GPU job start at once on one machine.
workflow.global_resources.setdefault("gpu", max(GPUS, 1))


def alternation(names):
    """A regular expression for exactly these names, the longest first."""
    return "|".join(sorted(names, key=len, reverse=True)) or "(?!)"


def of_kind(*kinds):
    """The datasets of these kinds, for a rule's wildcard constraint."""
    return alternation(name for name in DATASETS if DATASETS[name]["kind"] in kinds)


def in_report(path, caption, category, **labels):
    """An output shown in the report, labelled with the wildcards of its path."""
    names = [name for name in ("table", "dataset", "run") if f"{{{name}}}" in path]
    labels = {name: f"{{{name}}}" for name in names} | labels
    caption = f"../workflow/report/{caption}.rst"
    return report(path, caption=caption, category=category, labels=labels)


FILMED = of_kind("folder", "demo", "thumos14", "activitynet", "ave")
VIDEOLESS = {name for name in DATASETS if DATASETS[name]["source"] == "features"}
IMPORTED = alternation(name for name in RECIPES if "import" in RECIPES[name])
JOINED = CATALOG.fused()  # resolves every run: once is enough, for each job starts here
FUSED = alternation(JOINED)
TRAINED = alternation(run for run in RUNS if run not in JOINED)
EXTRACTED = alternation(name for name in RECIPES if "import" not in RECIPES[name])
STREAMED = alternation(name for name in RECIPES if not RECIPES[name]["flow"]["cache_flow"])


wildcard_constraints:
    dataset=alternation(DATASETS),
    recipe=alternation(RECIPES),
    run=alternation(RUNS),
    other=alternation(RUNS),
    table=alternation(CATALOG.tables),
    figure=alternation(FIGURES),
    seed=r"\d+",
    shard=r"\d+",
    backbone=alternation(BACKBONES),
