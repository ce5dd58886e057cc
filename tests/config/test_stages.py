"""The table of stages: its entries are the library's, and no stage depends on what it does not use.

Also what changed since features were made, and what a dry run would do.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from wstal.base.code_digest import code_digest, import_closure
from wstal.base.stage import Job, LoadedNetwork, StageInput
from wstal.commands.why import LISTING, cost, dry_run_jobs, explain, listing_codes
from wstal.commands.why import Job as PlannedJob
from wstal.config.stages import (
    ADDED,
    BACKBONE_ADDED,
    BACKBONE_STAGES,
    NO_BACKBONE_NUMBERS,
    NO_NUMBERS,
    STAGES,
    changed_code,
    is_untrained,
    load_stage,
    numbers_part,
    section_of,
    stage_code,
    stage_entry,
    stage_settings,
    stages_before,
)
from wstal.features.backbone_stage import BackboneSettings
from wstal.features.rows import RowSettings
from wstal.media.frame_stage import FrameSettings
from wstal.networks.backbones import LIBRARIES

RUN_ON_ARRAYS = [stage for stage in STAGES if stage != "probe"]


def test_every_stage_has_the_script_of_its_rule(project):
    rules = "".join(path.read_text() for path in (project / "rules").glob("*.smk"))
    named = set(re.findall(r"scripts/((?:decode|extract|probe)_\w+)\.py", rules))
    scripts = [script for script, *_ in BACKBONE_STAGES.values()]
    assert {*scripts, *(entry.script for entry in STAGES.values())} == named


def test_the_rules_of_the_stages_are_those_of_the_table(project, recipes):
    """A rule whose code is a stage's runs its script on its inputs with its section."""
    text = "\n".join(path.read_text() for path in (project / "rules").glob("*.smk"))
    checked = set()
    for rule in re.split(r"^rule ", text, flags=re.M)[1:]:
        code = re.search(r' code=values\.(?:stage_code\("(\w+)"\)|(backbone_code)),', rule)
        if not code or "flow_code=" in rule:  # streamed flow has a script of its own
            continue
        name = code[1] or "s3d"
        stage = stage_entry(name, recipes["s3d"])
        assert f".snakemake/wstal/scripts/{stage.script}.py" in rule, name
        for before in stage.inputs:
            assert f"/{before.replace('probe', 'manifest')}/shard" in rule, name
        section = stage.section if code[1] else "{backbone}"
        assert not section or f'recipe_part("{section}")' in rule, name
        checked.add(name)
    assert checked == {*STAGES, "s3d"}


@pytest.mark.parametrize("stage", RUN_ON_ARRAYS)
def test_the_table_says_what_the_library_does(stage):
    entry, found = STAGES[stage], load_stage(stage, {})
    assert (found.name, found.inputs) == (stage, entry.inputs)
    assert NO_NUMBERS.get(entry.section, ()) == found.settings.NO_NUMBERS
    if issubclass(found.settings, RowSettings):
        assert ADDED[entry.section] == found.settings.ADDED


def test_the_table_says_what_the_library_does_of_backbones():
    assert NO_BACKBONE_NUMBERS == BackboneSettings.NO_NUMBERS
    assert BACKBONE_ADDED == BackboneSettings.ADDED


def test_stages_come_after_their_inputs():
    assert stages_before(["vggish", "i3d_flow"], {}) == [
        *("probe", "frames", "audio", "vggish"),
        *("flow", "i3d_flow"),
    ]


def test_a_stage_receives_its_own_section_and_nothing_else(recipes):
    settings = stage_settings("i3d_flow", recipes["demo_i3d"])
    assert type(settings).__name__ == "I3DSettings" and settings.weights.flow == "demo_i3d_flow"
    assert stage_settings("s3d", recipes["s3d"]).weights == "s3d_kinetics"
    assert section_of("i3d_rgb") == "i3d" and section_of("imported") == "imported"


def test_what_changes_no_number_is_left_out_of_digests():
    recipe = {
        "dtype": "float32",
        "frames": {"fps": 25, "decoder": "pyav"},
        "flow": {"bound": 20, "backend": "auto", "cache_flow": True},
        "videomae_base": {"crop": 224, "batch": 8, "entry": {"width": 768, "licence": "L"}},
    }
    numbers = {"frames": {"fps": 25}, "flow": {"bound": 20}}
    numbers |= {"videomae_base": {"crop": 224, "entry": {"width": 768}}}
    assert numbers_part(recipe) == {"dtype": "float32", **numbers}


def test_a_recipe_is_untrained_if_a_network_of_its_streams_is(recipes):
    assert is_untrained(recipes["i3d_untrained"]) and not is_untrained(recipes["demo_i3d"])
    unused = recipes["s3d"] | {"i3d": {"weights": {"rgb": "untrained"}}}
    assert not is_untrained(unused)


# Keys under the code "c" of a video with the key or sha256 "source", as they always were: files
# that are kept in results are found by them.
KEYS = {
    "frames": "f63dbd03c4a671e61732f737128e228b58b1dc9df7d22d0a4d3eeda829c3247c",
    "audio": "bc656400ff6d79e2451e6ab3c72b91e4b17a1579598dde64ee28d8befb93f0e8",
    "flow": "6c2d60c663c3a5b26c34f0c57d0ebe28d3e623606d5729ef779f7f9d49fb76a9",
    "i3d_rgb": "e74fa13fc4ff806804950135671c33fd6726cfcecc5968cb418192cdd78c2ba1",
    "i3d_flow": "3f8d4146656a3ab9ff2d8827086098bd00422d22b9adabe7635578b5f531fb79",
    "vggish": "668467363653bba1f29f65b370e33817e75bf515b5d5aee32cfc3a2d72238e2a",
    "s3d": "3e68c4e7d8f40ba33eab5a1c67fdfa77e828e0b06eae9a4767c6a5a497561dd6",
}


def test_keys_are_computed_from_the_same_plain_values(recipes):
    video, job = StageInput("v", "ok", "", "source", {}), Job("c", Path())
    network = Job("c", Path(), network=LoadedNetwork(None, "w.pt", "identity"))
    recipe = recipes["demo_i3d"] | {"s3d": recipes["s3d"]["s3d"]}
    for stage, key in KEYS.items():
        found = load_stage(stage, recipe)
        given = network if found.weights(stage_settings(stage, recipe)) else job
        assert found.key(video, stage_settings(stage, recipe), given) == key, stage


def test_digests_are_those_of_the_rules(project, recipes):
    package = project / "workflow/wstal"
    frames = code_digest(project / "scripts/decode_frames.py", package, STAGES["frames"].loads)
    assert stage_code("frames", project, {}) == frames
    assert stage_code("frames", project, {frames: "older"}) == "older"
    expected = code_digest(
        project / "scripts/extract_backbone.py", package, [LIBRARIES["torchvision"]]
    )
    assert stage_code("s3d", project, {}, recipe=recipes["s3d"]) == expected


@pytest.fixture
def modules(project, recipes):
    """A function from a stage to the modules of its code: `flow/codes`, without `__init__`."""
    package = project / "workflow/wstal"

    def of(stage):
        entry = stage_entry(stage, recipes.get(stage, {}))
        script = project / f"scripts/{entry.script}.py"
        scripts = [script, project / "scripts/stage_job.py"]
        closure = {f for s in scripts for f in import_closure(s, package, entry.loads)}
        names = {file.relative_to(package).with_suffix("").as_posix() for file in closure}
        return {name for name in names if not name.endswith("__init__")}, len(closure)

    return of


@pytest.mark.parametrize("stage", RUN_ON_ARRAYS)
def test_no_feature_depends_on_how_labels_are_read_and_files_are_found(modules, stage):
    found, _ = modules(stage)
    assert not [name for name in found if name.startswith("datasets/")]
    assert not found & {"media/find", "media/probe", "media/manifest"}


def test_no_stage_depends_on_what_it_does_not_use(modules):
    rgb, _ = modules("i3d_rgb")
    assert {name for name in rgb if name.startswith("flow/")} == {"flow/codes"}
    assert not rgb & {"media/sound", "features/vggish_stage", "networks/vggish"}
    vggish, count = modules("vggish")
    assert count <= 25
    assert not [
        name for name in vggish if name.startswith(("flow/", "media/decoders", "networks/i3d"))
    ]
    frames, audio = modules("frames")[0], modules("audio")[0]
    assert "media/sound" not in frames and "media/frames" not in audio
    # Decoders count for the frames alone; through their keys, all features follow.
    assert {name for name in frames if name.startswith("media/decoders")} == {
        f"media/decoders/{name}" for name in get_args(get_type_hints(FrameSettings)["decoder"])
    }
    assert not [name for name in rgb if name.startswith("media/decoders")]
    assert not {"media/decoders/decord", "media/decoders/torchcodec"} & audio
    flow, _ = modules("flow")
    assert not [name for name in flow if name.startswith("features/")]
    torchvision, pytorchvideo = modules("s3d")[0], modules("x3d_m")[0]
    assert "networks/backbones/torchvision" in torchvision - pytorchvideo
    assert "networks/backbones/pytorchvideo" in pytorchvideo - torchvision


def test_evaluation_depends_on_neither_networks_nor_videos(project):
    closure = import_closure(project / "scripts/evaluate.py", project / "workflow/wstal")
    assert not {path.parent.name for path in closure} & {"media", "networks", "features", "train"}


def test_what_a_room_exports_by_name_is_imported_from_its_own_module(project):
    """`from wstal.flow import tvl1` leaves the backends out of a job's code digest."""
    modules = (project / "workflow/wstal").rglob("[!_]*.py")
    for path in [*modules, *(project / "scripts").glob("*.py")]:
        assert not re.search(r"^\s*from wstal\.flow import .*tvl1\b", path.read_text(), re.M), path


def test_stages_made_by_other_code_are_named():
    codes = {"frames": "f", "i3d_rgb": "r", "vggish": "v"}
    frames = {"stage": "frames", "code": "f"}
    rgb = {"stage": "i3d_rgb", "code": "r", "frames": frames}
    assert changed_code({"rgb": rgb}, codes) == []
    assert changed_code({"rgb": {**rgb, "code": "x"}}, codes) == ["i3d_rgb"]
    older = {"rgb": {**rgb, "frames": {**frames, "code": "x"}}, "audio": {"stage": "vggish"}}
    assert changed_code(older, codes) == ["frames", "vggish"]
    assert changed_code({"rgb": {**rgb, "code": "x", "varies": ["code"]}}, codes) == []


DRY_RUN = """Building DAG of jobs...
Job stats:
job      count
-----  -------
total        3

[Sat Nov 21 02:00:00 2026]
rule train:
    input: results/demo/features.h5
    output: results/demo/seed0/checkpoint.pt, results/demo/seed0/log.csv
    log: results/logs/train.log
    jobid: 3
    reason: Params have changed since last execution: Union of exclusive params before and now across all output: before: '0123456789abcdef' now: 'fedcba9876543210'
    wildcards: seed=0
    resources: tmpdir=/tmp
[Sat Nov 21 02:00:00 2026]
rule train:
    output: results/demo/seed1/checkpoint.pt
    jobid: 4
    reason: Params have changed since last execution: before: '{"lr":1}' now: '{"lr":2}'
[Sat Nov 21 02:00:00 2026]
localrule evaluate:
    output: results/demo/map.csv
    reason: Input files updated by another job: results/demo/seed0/checkpoint.pt

This was a dry-run (flag -n).
"""


def test_jobs_and_reasons_are_read():
    jobs = dry_run_jobs(DRY_RUN)
    assert [(job.rule, job.output) for job in jobs] == [
        ("train", "results/demo/seed0/checkpoint.pt"),
        ("train", "results/demo/seed1/checkpoint.pt"),
        ("evaluate", "results/demo/map.csv"),
    ]


def test_explanation_tells_code_from_settings_from_upstream():
    text = explain(dry_run_jobs(DRY_RUN))
    lines = text.splitlines()
    assert lines[0] == "1 job because the code changed:" and "fedcba9876543210" in lines[2]
    assert lines[1].split() == ["train", "1", "results/demo/seed0/checkpoint.pt"]
    assert lines[3] == "1 job because the settings changed:" and '"lr":2' in lines[5]
    assert lines[6] == "1 job because a job before it runs:"
    assert lines[7].split() == ["evaluate", "1", "results/demo/map.csv"]


def test_changed_labels_and_videos_are_not_called_code():
    reason = "Params have changed since last execution: before: '{}' now: '{}'"
    old, new, code = "0123456789abcdef", "fedcba9876543210", "abcdefabcdefabcd"
    listed = PlannedJob("labels", "videos.json", reason.format(old, new))
    assert explain([listed], {"labels": code}).startswith("1 job because the labels changed:")
    edited = PlannedJob("labels", "videos.json", reason.format(old, code))
    assert explain([edited], {"labels": code}).startswith("1 job because the code changed:")
    shard = PlannedJob("probe", "shard0.csv", reason.format(old, new))
    assert explain([shard], {"probe": code}).startswith("1 job because the videos changed:")
    moved = f"Code has changed since last execution; {listed.reason}"
    assert explain([PlannedJob("train", "c.pt", moved)]).startswith(
        "1 job because the code changed"
    )


def test_the_code_of_rules_that_list_something_is_what_their_parameter_says(project):
    rules = "".join(path.read_text() for path in sorted((project / "rules").glob("*.smk")))
    for rule, (_, script) in LISTING.items():
        body = rules.partition(f"\nrule {rule}:")[2].partition("\nrule ")[0]
        asked = f'values.code("{script}")' if script else f'values.stage_code("{rule}")'
        assert f"code={asked}," in body, rule
    package = project / "workflow/wstal"
    assert listing_codes([PlannedJob(rule, "", "") for rule in ("labels", "probe", "train")]) == {
        "labels": code_digest(project / "scripts/list_videos.py", package),
        "probe": stage_code("probe", project, {}),
    }


def test_many_jobs_are_a_line_per_rule_under_their_cause():
    absent = [
        PlannedJob("probe", f"shard{n}.csv", f"Missing output files: shard{n}.csv") for n in "012"
    ]
    absent.append(
        PlannedJob("manifest", "m.csv", "Missing output files: m.csv; Input files updated by")
    )
    changed = PlannedJob("train", "checkpoint.pt", "Updated input files: features.h5")
    lines = explain([*absent, changed]).splitlines()
    assert [line.split(" because ")[0] for line in lines if "because" in line] == [
        "1 job",
        "4 jobs",
    ]
    assert [line.split()[:2] for line in lines[-2:]] == [["probe", "3"], ["manifest", "1"]]


def test_what_a_run_costs_is_what_the_earlier_ones_took():
    jobs = dry_run_jobs(DRY_RUN)
    assert cost(jobs, {}) == ""
    assert cost(jobs[:1], {"train": 240.0}) == "As long as earlier runs took: 4 min of jobs."
    assert cost(jobs, {"train": 20.0}).endswith("40 s of jobs, without evaluate.")


def test_nothing_to_do_says_so():
    assert explain([]) == "Nothing would run: everything is up to date."
