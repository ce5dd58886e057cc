"""A lower precision is unverified until measured, verified if it passes, refused if it fails."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from video_clips import write_clip
from wstal.device import device_name
from wstal.errors import WstalError
from wstal.features.precision_gate import (
    Verdict,
    judge,
    precision_stamp,
    verdict_path,
    write_verdict,
)
from wstal.nets import i3d_inference
from wstal.nets.weights import save_half, untrained_i3d

CPU = torch.device("cpu")
GOOD = Verdict("bf16", device_name(CPU), torch.__version__, "sha", 4, 0.99995, 0.01)


def snippets(count, channels=3):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (count, 16, 32, 32, channels)).astype(np.uint8)]


def test_the_exact_mode_is_judged_equal_to_itself():
    verdict = judge(untrained_i3d(3, 0.125), "sha", snippets(2), "fp32", CPU)
    assert verdict.snippets == 2 and verdict.passed
    assert verdict.cosine == pytest.approx(1, abs=1e-12) and verdict.relative_error == 0


def test_the_figures_are_the_worst_cosine_and_the_error_over_all(monkeypatch):
    """Of features known in advance: exact ones, and others at a known angle."""
    exact, found = torch.tensor([[1.0, 0], [0, 2]]), torch.tensor([[1.0, 0], [1, 2]])

    class Known:
        def __init__(self, mode):
            self.given = exact if mode == "fp32" else found

        def features(self, x):
            return self.given

    monkeypatch.setattr("wstal.features.precision_gate.for_inference", lambda n, d, m: Known(m))
    verdict = judge(None, "sha", snippets(2), "bf16", CPU)
    assert verdict.cosine == pytest.approx(2 / 5**0.5)
    assert verdict.relative_error == pytest.approx((1 / 5) ** 0.5)
    assert not verdict.passed


def test_untrained_weights_and_no_snippets_are_no_measurement():
    network = untrained_i3d(3, 0.0625)
    with pytest.raises(WstalError, match="trained weights"):
        judge(network, "untrained", snippets(1), "bf16", CPU)
    with pytest.raises(WstalError, match="no snippet"):
        judge(network, "sha", [], "bf16", CPU)


def status(*arguments):
    return precision_stamp(*arguments)["precision"]


def test_stamps(tmp_path):
    weights = tmp_path / "net.pt"
    for recipe in ({}, {"precision": "fp32"}):
        assert status(recipe, weights, "sha", CPU)["status"] == "exact"
    lower = {"precision": "bf16"}
    assert status(lower, weights, "sha", CPU)["status"] == "unverified"
    path = write_verdict(weights, GOOD, CPU)
    assert path == verdict_path(weights, "bf16", CPU) and path.parent == tmp_path
    stamp = status(lower, weights, "sha", CPU)
    assert stamp["status"] == "verified" and stamp["cosine"] == 0.99995
    assert status(lower, weights, "other weights", CPU)["status"] == "unverified"
    assert status(lower, weights, "sha", torch.device("cuda"))["status"] == "unverified"


@pytest.mark.parametrize("change", [{"device": "NVIDIA A100"}, {"torch": "2.5.0"}])
def test_a_verdict_of_another_device_or_torch_is_no_verdict_here(tmp_path, change):
    for cosine in (0.99995, 0.9):
        write_verdict(tmp_path / "net.pt", replace(GOOD, cosine=cosine, **change), CPU)
        stamp = status({"precision": "bf16"}, tmp_path / "net.pt", "sha", CPU)
        assert stamp == {"mode": "bf16", "status": "unverified"}


def test_a_failed_gate_stops_the_extraction(tmp_path):
    weights = tmp_path / "net.pt"
    write_verdict(weights, replace(GOOD, cosine=0.9998), CPU)
    with pytest.raises(WstalError, match=r"0\.999800.*Use precision: fp32"):
        precision_stamp({"precision": "bf16"}, weights, "sha", CPU)


@pytest.mark.parametrize("content", ["not json", "[]", '{"cosine": 1}'])
def test_a_damaged_verdict_is_named(tmp_path, content):
    verdict_path(tmp_path / "net.pt", "bf16", CPU).write_text(content)
    with pytest.raises(WstalError, match=r"net\.pt\.bf16\.cpu\.json is no verdict"):
        precision_stamp({"precision": "bf16"}, tmp_path / "net.pt", "sha", CPU)


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_script(tmp_path, project, stream):
    clip, weights = tmp_path / "clip.mp4", tmp_path / "own.safetensors"
    write_clip(clip, 40, size=(64, 48))
    save_half(weights, untrained_i3d({"rgb": 3, "flow": 2}[stream], 0.0625), {})
    call = [sys.executable, project / "scripts/check_precision.py", "--stream", stream]
    call += ["--weights", weights, "--width", "0.0625", "--precision", "bf16", "--device", "cpu"]
    call += ["--videos", clip, "--snippets", "2", "--short-side", "48", "--crop", "32"]
    done = subprocess.run(
        call, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    verdict = json.loads(verdict_path(weights, "bf16", CPU).read_text())
    assert verdict["snippets"] == 2 and 0.9 < verdict["cosine"] < 1
    assert verdict["passed"] == (verdict["cosine"] > 0.9999)
    assert done.returncode == (0 if verdict["passed"] else 1), done.stderr
    assert ("pass" if verdict["passed"] else "fail") in done.stdout


def test_the_modes_are_those_of_the_schema(project):
    schema = json.loads((project / "workflow/schemas/features.schema.json").read_text())
    modes = schema["properties"]["i3d"]["properties"]["precision"]["enum"]
    assert modes == list(i3d_inference.PRECISIONS)
