"""The diagrams in the docs are those of the code as it is."""

import json
import os
import re
import subprocess
import sys

import pytest
from wstal.config.catalog import load_catalog
from wstal.models.acn import ACN
from wstal.plots.acn_diagrams import layer_lines, regression_figure, system_overview


def words(path):
    return sorted(re.findall(r"<text[^>]*>([^<]+)</text>", path.read_text()))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, project):
    folder = tmp_path_factory.mktemp("figures")
    environment = {**os.environ, "PYTHONPATH": str(project / "workflow")}
    script = [sys.executable, str(project / "scripts/draw_acn.py"), "--folder", str(folder)]
    subprocess.run(script, check=True, env=environment)
    return folder


@pytest.mark.parametrize("number", [1, 2])
def test_the_committed_diagrams_can_be_drawn_again(number, drawn, project):
    name = f"acn_figure{number}.svg"
    found, committed = words(drawn / name), words(project / "docs/figures" / name)
    assert len(found) > 20
    assert found == committed, "run python scripts/draw_acn.py --folder docs/figures"


def test_another_config_and_format_may_be_given(tmp_path, project):
    catalog = load_catalog(project / "workflow/config", project / "workflow/schemas")
    fused, stream = (catalog.run_config("thumos14", run) for run in ("acn", "acn-flow"))
    fused["localize"]["nms_iou"], stream["model"]["anchors"] = 0.35, [3, 9]
    command = [sys.executable, str(project / "scripts/draw_acn.py"), "--folder", str(tmp_path)]
    command += ["--configs", json.dumps([fused, stream]), "--formats", "svg", "png"]
    environment = {**os.environ, "PYTHONPATH": str(project / "workflow")}
    subprocess.run(command, check=True, env=environment)
    names = {f"acn_figure{n}.{kind}" for n in (1, 2) for kind in ("svg", "png")}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert "score −L, NMS 0.35" in words(tmp_path / "acn_figure1.svg")
    assert "P = 9" in words(tmp_path / "acn_figure2.svg")


def test_a_network_is_described_as_it_is():
    model = ACN("flow", 2, 64, anchors=(8,), width=16, dilation_rule="rate")
    assert layer_lines(model.networks[0]) == [
        "conv 3, 64 → 16, dilation 2",
        "conv 3, 16 → 16, dilation 2",
        "conv 1, 16 → 2",
    ]
    texts = [text.get_text() for text in regression_figure(model).axes[0].texts]
    assert "P = 8" in texts and "shifts ±4; sees 9 snippets" in texts


def test_the_overview_shows_the_settings_of_the_run():
    localize = {
        **{"class_threshold": 0.3, "scp_threshold": 0.2, "nms_iou": 0.7},
        "attention": {"mode": "absolute", "value": 6, "quantile": 0.5},
        "fusion": {"iou": 0.6, "discount": 0.25},
    }
    config = {
        **{"localize": localize, "loss": {"alpha": 0.75}, "model": {"anchors": [3, 9]}},
        "scores_from": "untrimmednet",
    }
    texts = [text.get_text() for text in system_overview(config).axes[0].texts]
    for line in (
        "v > 0.3, S ≥ 0.2", "A ≥ 6", "score −L, NMS 0.7", "rgb: score × 0.25,", "P = 3, 9",
        "kept where IoU < 0.6", "L = 0.75 L_OIC + 0.25 (L_c − 1)",
    ):  # fmt: skip
        assert line in texts
