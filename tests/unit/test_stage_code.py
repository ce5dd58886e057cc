"""Digests of the stages as the rules take them, and what changed since."""

import re

import pytest
from wstal.codehash import code_digest, import_closure
from wstal.inference.stage_code import SCRIPTS, changed_code, stage_code


def test_every_stage_has_the_script_of_its_rule(project):
    rules = "".join(path.read_text() for path in (project / "rules").glob("*.smk"))
    named = set(re.findall(r"scripts/((?:decode|extract|probe)_\w+)\.py", rules))
    assert {*SCRIPTS.values(), "extract_backbone"} == named


def test_digests_are_those_of_the_rules(project):
    package = project / "workflow/wstal"
    frames = code_digest(project / "scripts/decode_frames.py", package)
    assert stage_code("frames", project, {}) == frames
    assert stage_code("frames", project, {frames: "older"}) == "older"
    backbone = "wstal.nets.backbones.s3d"
    expected = code_digest(project / "scripts/extract_backbone.py", package, [backbone])
    assert stage_code("s3d", project, {}) == expected


@pytest.mark.parametrize("stage", sorted(set(SCRIPTS) - {"probe"}))
def test_no_feature_hangs_on_how_labels_are_read_and_files_are_found(project, stage):
    package, script = project / "workflow/wstal", f"{SCRIPTS[stage]}.py"
    files = [project / "scripts/decoding.py"] if script.startswith("decode") else []
    for path in (project / "scripts" / script, *files):
        closure = import_closure(path, package)
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
