"""The C++ backend: OpenCV's flow for any instruction set, threads and sizes; its compilation."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from textured_motion import end_point_error, pairs, sequence, texture
from wstal.base.errors import WstalError
from wstal.flow import tvl1
from wstal.flow.definition import TVL1Parameters, check_frames
from wstal.flow.tvl1_backends import cpu
from wstal.flow.tvl1_backends.cpu import (
    NoCompiler,
    cache_folder,
    default_threads,
    find_compiler,
    load_library,
    tvl1_cpu,
)


def errors(frame_pairs, **params):
    return np.concatenate(
        [
            end_point_error(tvl1(p, "cpu", **params), tvl1(p, "opencv", **params))
            for p in frame_pairs
        ]
    )


@pytest.mark.parametrize("median", [1, 3, 5])
def test_one_scale_one_warp_is_opencvs(median):
    params = {"nscales": 1, "warps": 1, "median_filtering": median}
    assert errors(pairs(4, 96, 120), **params).mean() < 1e-5


def test_full_defaults_are_opencvs_over_sixteen_pairs():
    error = errors(pairs(16, 112, 144))
    assert error.mean() < 0.05
    assert np.median(error) < 0.03


def test_parameters_mean_what_they_mean_in_opencv():
    params = {
        "tau": 0.2,
        "lambda_": 0.08,
        "theta": 0.4,
        "nscales": 2,
        "warps": 2,
        "epsilon": 0.02,
        "inner_iterations": 7,
        "outer_iterations": 4,
        "scale_step": 0.5,
    }
    assert errors(pairs(3, 60, 81), **params).mean() < 1e-3


def test_real_clips_are_opencvs_flow(reference):
    import cv2

    error = []
    for name in ("v_Archery_g03_c03.avi", "R6llTwEh07w.mp4", "SOX5yA1l24A.mp4", "WUzgd7C1pWA.mp4"):
        clip = cv2.VideoCapture(str(reference / "data/videos" / name))
        clip.set(cv2.CAP_PROP_POS_FRAMES, 20)
        gray = [cv2.cvtColor(clip.read()[1], cv2.COLOR_BGR2GRAY) for _ in range(5)]
        frames = np.stack([cv2.resize(image, (120, 90)) for image in gray])
        error.extend(end_point_error(tvl1(frames, "cpu"), tvl1(frames, "opencv")))
    assert len(error) == 16
    assert np.mean(error) < 0.05
    assert np.median(error) < 0.03


def test_the_number_of_threads_changes_nothing():
    frames = sequence(6, 50, 70)
    one = tvl1(frames, "cpu", threads=1)
    np.testing.assert_array_equal(one, tvl1(frames, "cpu", threads=3))
    np.testing.assert_array_equal(one[2:3], tvl1(frames[2:4], "cpu"))


@pytest.mark.parametrize("semantics", ["opencv_cpu", "opencv_cuda"])
@pytest.mark.parametrize("epsilon", [0.0, 0.01, 0.05, 0.5])
def test_iterations_that_share_a_sweep_change_nothing(semantics, epsilon):
    """Also where the change is small enough in the middle of a sweep, or in the first iteration."""
    moving = np.concatenate([*pairs(2, 45, 70), np.full((3, 45, 70), 90, np.uint8)])
    images, parameters = check_frames(moving), TVL1Parameters(epsilon=epsilon, iterations=40)
    work = np.zeros((2, len(images) - 1), np.int64)
    one = tvl1_cpu(images, parameters, semantics, sweep=1, work=work[0])
    for sweep in (2, 5, 8, 0):
        many = tvl1_cpu(images, parameters, semantics, sweep=sweep, work=work[1])
        np.testing.assert_array_equal(many, one)
        np.testing.assert_array_equal(work[1], work[0])


PORTABLE = """
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <thread>
#include <vector>
#include <unistd.h>
#undef __x86_64__
#undef __AVX__
#undef __AVX512F__
#include "{source}"
"""


@pytest.fixture(scope="module")
def portable(tmp_path_factory):
    """The library as on a processor of another kind: four lanes, no instruction of x86 by name."""
    folder = tmp_path_factory.mktemp("portable")
    sources = [Path(cpu.__file__).with_name(name) for name in cpu.SOURCES]
    (folder / "portable.cpp").write_text(PORTABLE.format(source=sources[0]))
    return load_library((folder / "portable.cpp", *sources), cpu.FLAGS)


def test_the_path_of_other_processors_is_opencvs(portable, monkeypatch):
    images = pairs(4, 96, 120)
    monkeypatch.setattr(cpu, "library", lambda target: portable)
    assert errors(images, nscales=1, warps=1).mean() < 1e-5
    assert errors(images).mean() < 0.05


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names of x86 instruction sets")
@pytest.mark.parametrize("target", ["x86-64", "x86-64-v3"])
@pytest.mark.parametrize("semantics", ["opencv_cpu", "opencv_cuda"])
def test_instruction_sets_agree(target, semantics):
    images = check_frames(np.concatenate(pairs(1, 72, 96)))
    native = tvl1_cpu(images, TVL1Parameters(), semantics)
    other = tvl1_cpu(images, TVL1Parameters(), semantics, target=target)
    assert end_point_error(native, other).mean() < 0.03
    once = TVL1Parameters(nscales=1, warps=1)
    native = tvl1_cpu(images, once, semantics)
    assert end_point_error(native, tvl1_cpu(images, once, semantics, target=target)).mean() < 1e-5


@pytest.mark.parametrize(
    "shape", [(3, 3), (3, 40), (40, 3), (16, 17), (15, 31), (33, 65), (19, 64)]
)
def test_odd_and_tiny_sizes_are_opencvs(shape):
    frames = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
    params = {"nscales": 1, "warps": 1}
    np.testing.assert_allclose(
        tvl1(frames, "cpu", **params), tvl1(frames, "opencv", **params), atol=2e-4
    )
    assert np.isfinite(tvl1(frames, "cpu")).all()


@pytest.mark.parametrize("semantics", ["opencv_cpu", "opencv_cuda"])
def test_constant_images_do_not_move(semantics):
    frames = np.full((3, 40, 50), 77, np.uint8)
    assert not tvl1(frames, "cpu", semantics).any()
    frames[1] = 90  # a flash: nothing to follow either
    assert not tvl1(frames, "cpu", semantics).any()


@pytest.mark.parametrize("semantics", ["opencv_cpu", "opencv_cuda"])
def test_motion_out_of_the_picture_stays_finite(semantics):
    scene = texture(64, 400, 3).astype(np.uint8)
    frames = np.stack([scene[:, :96], scene[:, 250:346]])
    flow = tvl1(frames, "cpu", semantics, lambda_=1.0, nscales=3)
    assert np.isfinite(flow).all()


def test_work_counts_pixel_iterations():
    work = np.zeros(1, np.int64)
    images = check_frames(sequence(2, 32, 48))
    once = TVL1Parameters(nscales=1, warps=2, inner_iterations=3, outer_iterations=2, epsilon=0)
    tvl1_cpu(images, once, work=work)
    assert work[0] == 32 * 48 * 2 * 3 * 2


def test_illumination_is_refused():
    with pytest.raises(WstalError, match="gamma"):
        tvl1(sequence(2, 32, 48), "cpu", gamma=0.1)


def test_threads_follow_the_environment(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert default_threads() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert default_threads() >= 1


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    """An empty cache: tests that compile another source, not TV-L1's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    load_library.cache_clear()
    yield
    load_library.cache_clear()


def source(tmp_path, number, name="number.cpp"):
    path = tmp_path / name
    path.write_text(f'extern "C" int number() {{ return {number}; }}\n')
    return path


@pytest.mark.usefixtures("own_cache")
def test_a_source_is_compiled_once_and_again_when_edited(tmp_path):
    path = source(tmp_path, 5)
    assert load_library((path,)).number() == 5
    (library,) = cache_folder().iterdir()
    made = library.stat().st_mtime_ns
    load_library.cache_clear()
    assert load_library((path,)).number() == 5
    assert library.stat().st_mtime_ns == made
    source(tmp_path, 6)
    load_library.cache_clear()
    assert load_library((path,)).number() == 6
    assert len(list(cache_folder().iterdir())) == 2


@pytest.mark.usefixtures("own_cache")
def test_an_included_file_is_part_of_the_key(tmp_path):
    (tmp_path / "value.h").write_text("#define VALUE 1\n")
    path = tmp_path / "with_header.cpp"
    path.write_text('#include "value.h"\nextern "C" int number() { return VALUE; }\n')
    assert load_library((path, tmp_path / "value.h")).number() == 1
    (tmp_path / "value.h").write_text("#define VALUE 2\n")
    load_library.cache_clear()
    assert load_library((path, tmp_path / "value.h")).number() == 2


@pytest.mark.usefixtures("own_cache")
def test_another_cpu_on_a_shared_home_compiles_its_own(tmp_path, monkeypatch):
    path = source(tmp_path, 5)
    load_library((path,))
    monkeypatch.setattr(cpu, "cpu_identity", lambda: "another model")
    load_library.cache_clear()
    load_library((path,))
    assert len(list(cache_folder().iterdir())) == 2


@pytest.mark.usefixtures("own_cache")
def test_processes_that_race_all_get_the_library(tmp_path):
    path = source(tmp_path, 7)
    code = (
        "import sys; from pathlib import Path; from wstal.flow.tvl1_backends.cpu import load_library;"
        "assert load_library((Path(sys.argv[1]),)).number() == 7"
    )
    racers = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(3)]
    assert [racer.wait() for racer in racers] == [0, 0, 0]
    assert len(list(cache_folder().iterdir())) == 1


@pytest.mark.usefixtures("own_cache")
def test_a_source_that_does_not_compile_shows_the_compilers_words(tmp_path):
    path = tmp_path / "broken.cpp"
    path.write_text("int broken( {\n")
    with pytest.raises(NoCompiler, match=r"broken\.cpp.*expected"):
        load_library((path,))
    assert not list(cache_folder().iterdir())


@pytest.mark.usefixtures("own_cache")
def test_a_missing_compiler_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "nowhere")
    with pytest.raises(NoCompiler, match="no C\\+\\+ compiler"):
        find_compiler()


@pytest.mark.usefixtures("own_cache")
def test_a_cache_that_cannot_be_written_is_replaced_by_a_private_one(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert load_library((source(tmp_path, 3),)).number() == 3
    assert not str(cache_folder()).startswith(str(blocked))
