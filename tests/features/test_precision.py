"""A lower precision is unverified until measured, verified if it passes, refused if it fails.

Sampled snippets are those that the stages cut.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
import warm_python
from video_clips import number_of, write_clip
from wstal.base.device import device_name
from wstal.base.errors import WstalError
from wstal.features.i3d_stage import I3DSettings
from wstal.features.precision import Verdict, precision_stamp, verdict_path, write_verdict
from wstal.features.verify import judge, sample_snippets
from wstal.networks.i3d.inference import PRECISIONS, for_inference
from wstal.networks.i3d.network import untrained_i3d
from wstal.networks.weights import save_half

CPU = torch.device("cpu")
GOOD = Verdict("bf16", device_name(CPU), torch.__version__, "sha", 4, 0.99995, 0.01)


def snippets(count, channels=3):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (count, 16, 32, 32, channels)).astype(np.uint8)]


def modes_of(network):
    """The network in each precision."""
    return lambda mode: for_inference(network, CPU, mode)


def test_the_exact_mode_is_judged_equal_to_itself():
    verdict = judge(modes_of(untrained_i3d(3, 0.125)), "sha", snippets(2), "fp32", CPU)
    assert verdict.snippets == 2 and verdict.passed
    assert verdict.cosine == pytest.approx(1, abs=1e-12) and verdict.relative_error == 0


def test_the_figures_are_the_worst_cosine_and_the_error_over_all():
    """Of features known in advance: exact ones, and others at a known angle."""
    exact, found = torch.tensor([[1.0, 0], [0, 2]]), torch.tensor([[1.0, 0], [1, 2]])

    class Known:
        def __init__(self, mode):
            self.given = exact if mode == "fp32" else found

        def features(self, x):
            return self.given

    verdict = judge(Known, "sha", snippets(2), "bf16", CPU)
    assert verdict.cosine == pytest.approx(2 / 5**0.5)
    assert verdict.relative_error == pytest.approx((1 / 5) ** 0.5)
    assert not verdict.passed


def test_untrained_weights_and_no_snippets_are_no_measurement():
    network_in = modes_of(untrained_i3d(3, 0.0625))
    with pytest.raises(WstalError, match="trained weights"):
        judge(network_in, "untrained", snippets(1), "bf16", CPU)
    with pytest.raises(WstalError, match="no snippet"):
        judge(network_in, "sha", [], "bf16", CPU)


def status(*arguments):
    return precision_stamp(*arguments)["precision"]


def test_stamps(tmp_path):
    weights = tmp_path / "net.pt"
    assert status("fp32", weights, "sha", CPU)["status"] == "exact"
    assert status("bf16", weights, "sha", CPU)["status"] == "unverified"
    path = write_verdict(weights, GOOD, CPU)
    assert path == verdict_path(weights, "bf16", CPU) and path.parent == tmp_path
    assert verdict_path(f"{weights}/", "bf16", CPU) == path  # a folder
    stamp = status("bf16", weights, "sha", CPU)
    assert stamp["status"] == "verified" and stamp["cosine"] == 0.99995
    assert status("bf16", weights, "other weights", CPU)["status"] == "unverified"
    assert status("bf16", weights, "sha", torch.device("cuda"))["status"] == "unverified"


@pytest.mark.parametrize("change", [{"device": "NVIDIA A100"}, {"torch": "2.5.0"}])
def test_a_verdict_of_another_device_or_torch_is_no_verdict_here(tmp_path, change):
    for cosine in (0.99995, 0.9):
        write_verdict(tmp_path / "net.pt", replace(GOOD, cosine=cosine, **change), CPU)
        stamp = status("bf16", tmp_path / "net.pt", "sha", CPU)
        assert stamp == {"mode": "bf16", "status": "unverified"}


def test_a_failed_gate_stops_the_extraction(tmp_path):
    weights = tmp_path / "net.pt"
    write_verdict(weights, replace(GOOD, cosine=0.9998), CPU)
    with pytest.raises(WstalError, match=r"0\.999800.*Use precision: fp32"):
        precision_stamp("bf16", weights, "sha", CPU)


@pytest.mark.parametrize("content", ["not json", "[]", '{"cosine": 1}'])
def test_a_damaged_verdict_is_named(tmp_path, content):
    verdict_path(tmp_path / "net.pt", "bf16", CPU).write_text(content)
    with pytest.raises(WstalError, match=r"net\.pt\.bf16\.cpu\.json is not a verdict"):
        precision_stamp("bf16", tmp_path / "net.pt", "sha", CPU)


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_command(tmp_path, stream):
    clip, weights = tmp_path / "clip.mp4", tmp_path / "own.safetensors"
    write_clip(clip, 40, size=(64, 48))
    save_half(weights, untrained_i3d({"rgb": 3, "flow": 2}[stream], 0.0625), {})
    call = [sys.executable, "-m", "wstal", "check-precision", "--stream", stream]
    call += ["--weights", weights, "--width", "0.0625", "--precision", "bf16", "--device", "cpu"]
    call += ["--videos", clip, "--snippets", "2", "--short-side", "48", "--crop", "32"]
    done = warm_python.run(call, env=os.environ | {"OMP_NUM_THREADS": "1"})
    verdict = json.loads(verdict_path(weights, "bf16", CPU).read_text())
    assert verdict["snippets"] == 2 and 0.9 < verdict["cosine"] < 1
    assert verdict["passed"] == (verdict["cosine"] > 0.9999)
    assert done.returncode == (0 if verdict["passed"] else 1), done.stderr
    assert ("pass" if verdict["passed"] else "fail") in done.stdout


def test_the_modes_are_those_of_the_settings():
    assert get_args(get_type_hints(I3DSettings)["precision"]) == tuple(PRECISIONS)


@pytest.mark.parametrize(("stream", "channels"), [("rgb", 3), ("flow", 2)])
@pytest.mark.parametrize(("frames", "count"), [(40, 2), (33, 2), (70, 3), (5, 1)])
def test_count_and_shape(tmp_path, stream, channels, frames, count):
    clip = write_clip(tmp_path / "clip.mp4", frames, size=(80, 48))
    found = list(sample_snippets(clip, stream, 3, short_side=48, crop=32))
    assert len(found) == count
    assert {each.shape for each in found} == {(16, 32, 32, channels)}
    assert {each.dtype for each in found} == {np.dtype({"rgb": "u1", "flow": "i1"}[stream])}


def test_frames_follow_each_other(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", 60, size=(160, 160))
    found = np.concatenate(list(sample_snippets(clip, "rgb", 2, short_side=160, crop=160)))
    assert [number_of(picture) for picture in found] == list(range(32))
