"""`wstal backbones` lists the entries; `wstal extract --backbone` refuses before it decodes."""

from __future__ import annotations

import pytest
from wstal.base.errors import WstalError
from wstal.commands.backbones import check, markdown, place, row, sees
from wstal.config.catalog import load_catalog
from wstal.config.stages import stages_before
from wstal.config.validation import backbone_recipe, checked_recipe
from wstal.features.backbone_check import Agreement


def test_the_table_of_the_docs_is_that_of_the_entries(project, catalog):
    text = (project / "docs/features.md").read_text()
    shipped = "\n".join(markdown(catalog.backbones))
    assert shipped in text, "put the output of wstal backbones --markdown into docs/features.md"


def test_a_row_says_what_it_sees_and_whether_its_weights_are_here(catalog, tmp_path, monkeypatch):
    monkeypatch.setattr("wstal.commands.backbones.work_folder", lambda: tmp_path)
    entry = catalog.backbones["videomae_base"]
    assert row("videomae_base", entry)[-1] == "absent"
    place("videomae_base", entry).mkdir(parents=True)
    cells = row("videomae_base", entry)
    assert cells[-1] == "present" and cells[3:6] == ("16 frames, 224 px", "768", "CC-BY-NC-4.0")
    assert place("s3d", catalog.backbones["s3d"]).name == "s3d-d76dad2f.pth"
    assert sees(catalog.backbones["clap_unfused"]) == "10 s of sound"
    assert sees(catalog.backbones["vjepa2_large"]) == "even frames, 256 px"


@pytest.mark.parametrize(("difference", "status"), [(1e-7, 0), (0.2, 1)])
def test_a_check_says_how_near_the_vectors_are(monkeypatch, tmp_path, capsys, difference, status):
    monkeypatch.setattr("wstal.commands.backbones.work_folder", lambda: tmp_path)
    found = Agreement(1.0, difference)
    monkeypatch.setattr("wstal.features.backbone_check.check_backbone", lambda *_: found)
    with pytest.raises(WstalError, match="missing; run wstal weights fetch clip_base"):
        check("clip_base", None)
    place("clip_base", load_catalog().backbones["clip_base"]).mkdir(parents=True)
    assert check("clip_base", None) == status
    assert ("pass" if status == 0 else "fail") in capsys.readouterr().out
    with pytest.raises(WstalError, match="'clip' is not one of the backbones"):
        check("clip", None)


def test_a_backbone_needs_no_recipe_of_its_own(catalog):
    recipe = backbone_recipe("videomae_base", {"stride": 8}, None, catalog.backbones)
    section = recipe["videomae_base"]
    assert recipe["streams"] == {"rgb": "videomae_base"}
    assert (section["window"], section["stride"]) == (16, 8)
    assert section["weights"] == "results/weights/videomae_base"
    given = {"precision": "bf16", "compile": True}
    low = backbone_recipe("videomae_base", given, None, catalog.backbones)["videomae_base"]
    assert given.items() <= low.items()
    sound = backbone_recipe("ast_audioset", {}, "untrained", catalog.backbones)
    assert sound["streams"] == {"audio": "ast_audioset"}


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("videomae_bas", {}, "'videomae_bas' is not known; nearest: videomae_base"),
        ("videomae_base", {"stride": 0}, "videomae_base.stride: 0: should be greater"),
        ("videomae_base", {"crop": 300}, "crop is 300, larger than short_side, 224"),
    ],
)
def test_what_is_wrong_is_refused_before_any_video(catalog, name, rows, message):
    with pytest.raises(WstalError, match=message):
        backbone_recipe(name, rows, None, catalog.backbones)


def test_a_backbone_of_flow_needs_files_of_flow():
    entry = {"library": "file", "model": "own.py", "width": 8, "input": "flow"}
    own = load_catalog({"backbones": {"own": entry}}).backbones
    recipe = {"streams": {"flow": "own"}}
    stages = stages_before(["own"], checked_recipe("mine", recipe, "mine.yaml", own))
    assert stages == ["probe", "frames", "flow", "own"]
    with pytest.raises(WstalError, match="cache_flow is false, but own reads flow"):
        checked_recipe("mine", {**recipe, "flow": {"cache_flow": False}}, "mine.yaml", own)
