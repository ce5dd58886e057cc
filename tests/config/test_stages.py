"""Digests of the stages as the rules take them, and what changed since."""

from __future__ import annotations

import re

import pytest
from wstal.base.code_digest import code_digest, import_closure
from wstal.config.stages import SCRIPTS, changed_code, stage_code
from wstal.config.why import dry_run_jobs, explain


def test_every_stage_has_the_script_of_its_rule(project):
    rules = "".join(path.read_text() for path in (project / "rules").glob("*.smk"))
    named = set(re.findall(r"scripts/((?:decode|extract|probe)_\w+)\.py", rules))
    assert {*SCRIPTS.values(), "extract_backbone"} == named


def test_digests_are_those_of_the_rules(project):
    package = project / "workflow/wstal"
    frames = code_digest(project / "scripts/decode_frames.py", package)
    assert stage_code("frames", project, {}) == frames
    assert stage_code("frames", project, {frames: "older"}) == "older"
    backbone = "wstal.networks.backbones.s3d"
    expected = code_digest(project / "scripts/extract_backbone.py", package, [backbone])
    assert stage_code("s3d", project, {}) == expected


@pytest.mark.parametrize("stage", sorted(set(SCRIPTS) - {"probe"}))
def test_no_feature_hangs_on_how_labels_are_read_and_files_are_found(project, stage):
    package, script = project / "workflow/wstal", f"{SCRIPTS[stage]}.py"
    closure = import_closure(project / "scripts" / script, package)
    assert not [p for p in closure if p.parent.name == "data" or p.stem in ("find", "probing")]


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
    assert "train: 1 job, because its code changed" in text
    assert "train: 1 job, because its settings changed" in text
    assert "evaluate: 1 job, because a job before it runs" in text


def test_nothing_to_do_says_so():
    assert explain([]) == "Nothing would run: everything is up to date."
