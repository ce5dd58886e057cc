"""What the rules share: the configuration, what jobs get, and names of wildcards; no rules here."""

import os
import sys
from functools import partial
from pathlib import Path

from snakemake.exceptions import LockException, WorkflowError

# Before an installed package, the one beside these rules; rules that a module fetches have none.
RULES = workflow.current_basedir
sys.path[:0] = [str(Path(RULES).parent / "workflow")] if isinstance(RULES, os.PathLike) else []

from wstal.base.errors import WstalError
from wstal.base.job_environment import gpu_count, gpus_per_job, prepare_jobs
from wstal.config import contents, dataset_files, run_locks
from wstal.config.catalog import layered_config, load_catalog
from wstal.config.inputs import Inputs
from wstal.config.installation import ROOT, link_scripts
from wstal.config.layers import read_yaml
from wstal.config.params import Params, named_files
from wstal.config.run_end import Interrupt, headline_files, report_failure, summary
from wstal.config.run_progress import follow
from wstal.config.stages import STAGES
from wstal.config.targets import alternation, asked_for, misspelt, misspelt_rule, named_first
from wstal.train import TRAINING_LOG

WORK = Path.cwd()  # with results/, data/ and wstal.yaml
CACHE = WORK / ".snakemake/wstal"  # checked configuration and code digests, by content
link_scripts(CACHE / "scripts")  # where the shell lines find them in any work folder

try:
    config.update(layered_config(WORK, config))
    CATALOG = load_catalog(config, ROOT / "workflow/config", CACHE)
    WEIGHTS = read_yaml(ROOT / "workflow/reference/weights/sources.yaml")
    files = Inputs(CATALOG, WEIGHTS, ancient, WorkflowError, sys.exit)
    FIGURES, SWEEPS = files.figures, files.sweeps
    config.update(CATALOG.top)
    GPUS = gpu_count()
    GPU = gpus_per_job(config["device"], GPUS, workflow.global_resources.get("gpu").value)
    MIN_FREE = config["min_free"] * 1e9  # bytes
    os.environ[TRAINING_LOG] = config["log"]
    prepare_jobs(ROOT, config["accept_code"], MIN_FREE, config["max_memory"])
except WstalError as error:
    raise WorkflowError(str(error)) from None

values = Params(files, ROOT, CACHE, config["accept_code"])
# Without a limit, `gpu=1` would let every GPU job start at once on one machine.
workflow.global_resources.setdefault("gpu", max(GPUS, 1))

try:
    from snakemake.persistence.file import FilePersistence
except ImportError:  # another version of Snakemake, which keeps its own locks
    pass
else:
    from snakemake.io import _IOFile

    run_locks.install(FilePersistence, logger.info, LockException)
    contents.install(FilePersistence, _IOFile, CACHE / "contents.json")
    contents.install_places(FilePersistence, ROOT, WORK)

if workflow.is_main_process and not workflow.output_settings.dryrun:
    Interrupt(logger, sys.argv, partial(print, file=sys.stderr, flush=True)).install()
    PROGRESS = follow(logger)

ON_GPU = {"gpu": GPU, "device": config["device"]}  # resources of a job of a network
DATASETS, RECIPES, RUNS, JOINED = files.datasets, files.recipes, CATALOG.runs(), CATALOG.fused()


def of_kind(*kinds):
    """The datasets of these kinds, for a rule's wildcard constraint."""
    return alternation(name for name in DATASETS if DATASETS[name]["kind"] in kinds)


def backbones(*inputs):
    """The backbones that see these inputs, for the wildcards of their rules."""
    return [name for name, entry in CATALOG.backbones.items() if entry["input"] in inputs]


def in_report(path, caption, category, **labels):
    """An output shown in the report, labelled with the wildcards of its path."""
    names = [name for name in ("table", "dataset", "run") if f"{{{name}}}" in path]
    labels = {name: f"{{{name}}}" for name in names} | labels
    caption = f"../workflow/report/{caption}.rst"
    return report(path, caption=caption, category=category, labels=labels)


def figures_in_report(folder, name, caption, category):
    """A folder of SVG figures, each shown in the report by its `name`."""
    caption, labels = f"../workflow/report/{caption}.rst", {name: f"{{{name}}}"}
    patterns = [f"{{{name}}}.svg"]
    return report(directory(folder), caption, category=category, labels=labels, patterns=patterns)


def refuse_misspelt_targets():
    """End the run at a target on the command line that no rule makes, with the names near it.

    Not in a workflow that uses these rules as a module: it has rules of its own.
    """
    if Path(workflow.basedir).resolve() != ROOT:
        return
    for path in asked_for(sys.argv):
        if not Path(path).exists() and not any(each.is_producer(path) for each in workflow.rules):
            outputs = [str(output) for each in workflow.rules for output in each.output]
            sys.exit(misspelt(path, outputs, NAMES, CATALOG.parts()))
    rules = [each.name for each in workflow.rules]
    for name in named_first(sys.argv):
        if not Path(name).exists() and (problem := misspelt_rule(name, rules)):
            sys.exit(problem)


def say(text):
    """Print a line that the view of `wstal run` shows as well."""
    logger.info(text, extra={"wstal": True})


def plan_of_the_run():
    """Let the progress of this run know its targets and jobs."""
    names = [job.output[0] if job.output else job.rule.name for job in workflow.dag.targetjobs]
    jobs = workflow.dag.needrun_jobs()
    PROGRESS.plan(names, [(job.rule.name, job.wildcards_dict) for job in jobs])


def say_what_it_takes():
    """Print how much video this run has, and how long it takes if that has been measured."""
    jobs = [job for job in workflow.dag.needrun_jobs() if job.rule.name in (*STAGES, "train")]
    if not jobs or workflow.touch:
        return
    from wstal.commands.watch import opening  # slow to import
    from wstal.config.footage import dataset_footage

    names = sorted({job.wildcards.dataset for job in jobs if job.rule.name in STAGES})
    footage = {name: dataset_footage(name, DATASETS[name]) for name in names}
    for line in opening(PROGRESS.snapshot(), workflow.resource_settings.cores or 1, footage):
        say(line)


def say_what_came_out():
    """Print headlines, what videos were used for, where page and report are, the time taken."""
    from wstal.commands.show_map import headlines

    if workflow.touch:  # nothing was made
        return
    jobs = list(workflow.dag.targetjobs)
    made = headline_files(
        [path for job in jobs for path in job.output], [path for job in jobs for path in job.input]
    )
    for line in summary(made, headlines, sys.argv, PROGRESS.seconds()):
        say(line)


if workflow.is_main_process and not workflow.output_settings.dryrun:
    PROGRESS.when_nothing = say_what_came_out


def say_why_it_failed():
    """Print the first cause of a run that failed; nothing after Ctrl-C."""
    report_failure(PROGRESS.state["failed"], say, PROGRESS.seconds())


def list_missing_videos():
    """Name the videos that are not where this run looks for them; end it if they are too many."""
    jobs = [job for job in workflow.dag.needrun_jobs() if job.rule.name == "probe"]
    made = {job.wildcards.dataset for job in workflow.dag.needrun_jobs() if job.rule.name in MAKERS}
    if jobs:
        from wstal.config.missing import require_videos  # slow to import

        names = {job.wildcards.dataset for job in jobs} - made
        try:
            for text in require_videos(sorted(names), DATASETS):
                say(text)
        except WstalError as error:
            raise WorkflowError(str(error)) from None


def list_missing_weights():
    """Name all public weights that this run fetches; end it if they cannot be reached."""
    from wstal.config.missing import require_weights  # slow to import

    jobs = [job for job in workflow.dag.needrun_jobs() if job.rule.name == "fetch_weights"]
    paths = [str(job.output[0]) for job in jobs if not Path(job.output[0]).exists()]
    terms = read_yaml(ROOT / "workflow/reference/weights/terms.yaml") if paths else {}
    try:
        if text := require_weights(paths, WEIGHTS, terms):
            say(f"{text}\nThey are downloaded now.")
    except WstalError as error:
        raise WorkflowError(str(error)) from None


def warn_of_a_full_disk():
    """End the run if what it will write does not fit on the disk; warn if it may not."""
    from wstal.config.missing import check_space  # slow to import

    jobs = [job for job in workflow.dag.needrun_jobs() if job.rule.name == "flow"]
    pairs = [(job.wildcards.dataset, job.wildcards.recipe) for job in jobs]
    try:
        for warning in check_space(pairs, DATASETS, RECIPES, WORK, MIN_FREE):
            logger.warning(warning)
    except WstalError as error:
        raise WorkflowError(str(error)) from None


MAKERS = ("render_demo", "fetch_videos")  # rules that make a dataset's videos
FILMED = of_kind("folder", "demo", "thumos14", "activitynet", "ave")
VIDEOLESS = {name for name in DATASETS if DATASETS[name]["source"] == "features"}
FUSED = alternation(JOINED)
TRAINED = alternation(run for run in RUNS if run not in JOINED)
GIVEN = alternation(CATALOG.imported())  # runs of imported checkpoints
IMPORTED = alternation(name for name in RECIPES if "import" in RECIPES[name])
EXTRACTED = alternation(name for name in RECIPES if "import" not in RECIPES[name])
STREAMED = alternation(name for name in RECIPES if not RECIPES[name]["flow"]["cache_flow"])
NAMES = {
    **{"dataset": DATASETS, "recipe": RECIPES, "run": RUNS, "other": RUNS},
    **{"table": CATALOG.tables, "figure": FIGURES, "sweep": SWEEPS},
}


wildcard_constraints:
    dataset=alternation(DATASETS),
    recipe=alternation(RECIPES),
    run=alternation(RUNS),
    other=alternation(RUNS),
    table=alternation(CATALOG.tables),
    figure=alternation(FIGURES),
    sweep=alternation(SWEEPS),
    backbone=alternation(backbones("video", "images", "flow")),
    sound_backbone=alternation(backbones("sound")),
    seed=r"\d+",
    shard=r"\d+",
