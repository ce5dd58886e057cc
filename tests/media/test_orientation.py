"""Display matrices: each picture as ffmpeg's autorotate shows it."""

from __future__ import annotations

import math
import shutil
import subprocess

import numpy as np
import pytest
from video_clips import write_clip, write_matrix
from wstal.base.errors import MediaError, WstalError
from wstal.media.decoders import pyav
from wstal.media.pictures import Orientation, orientation, turned_size, upright
from wstal.media.probe import probe

ONE = 1 << 16
SQUARE = np.array([["a", "b", "c"], ["d", "e", "f"]])
SHOWN = {  # the matrix a, b, c, d, and the picture a player shows for abc/def
    (1, 0, 0, 1): ["abc", "def"],
    (0, 1, -1, 0): ["da", "eb", "fc"],
    (-1, 0, 0, -1): ["fed", "cba"],
    (0, -1, 1, 0): ["cf", "be", "ad"],
    (-1, 0, 0, 1): ["cba", "fed"],
    (1, 0, 0, -1): ["def", "abc"],
    (0, 1, 1, 0): ["ad", "be", "cf"],
    (0, -1, -1, 0): ["fc", "eb", "da"],
}


def matrix(a, b, c, d, scale=ONE):
    return [round(v * scale) for v in (a, b)] + [0, *(round(v * scale) for v in (c, d)), 0, 0, 0, 1]


@pytest.mark.parametrize("values", SHOWN)
@pytest.mark.parametrize("scale", [ONE, 3 * ONE])
def test_all_eight_matrices_show_the_picture_as_ffmpeg_does(values, scale):
    asked = orientation(matrix(*values, scale))
    assert ["".join(row) for row in upright(SQUARE, asked)] == SHOWN[values]
    assert upright(SQUARE, asked).flags.c_contiguous
    assert turned_size(3, 2, asked) == upright(SQUARE, asked).shape[::-1]


@pytest.mark.parametrize("values", [(0, 0, 0, 0), (1, 0, 0, 0), (0, 0, 0, 1), (1, 1, 1, 1)])
def test_a_zero_or_singular_matrix_turns_nothing(values):
    assert orientation(matrix(*values)) == Orientation()


@pytest.mark.parametrize("degrees", [2, 45, 88, 135, 200, 359])
def test_an_arbitrary_angle_is_refused_with_the_angle(degrees):
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    with pytest.raises(WstalError, match=f"turned by {degrees} degrees clockwise"):
        orientation(matrix(cos, sin, -sin, cos))


@pytest.mark.parametrize("degrees", [0.3, 1, 90.3, 179.7])
def test_an_angle_that_rounds_to_a_quarter_is_one(degrees):
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    expected = Orientation(-round(degrees / 90) % 4)
    assert orientation(matrix(cos, sin, -sin, cos)) == expected


@pytest.mark.parametrize("values", SHOWN)
def test_a_file_is_decoded_as_it_is_shown(tmp_path, values):
    path = write_clip(tmp_path / "a.mp4", 2)
    plain = next(pyav.pictures(path, np.arange(1), np.array))
    write_matrix(path, *values)
    shown = next(pyav.pictures(path, np.arange(1), np.array))
    assert np.array_equal(shown, upright(plain, orientation(matrix(*values))))
    info = probe(path)
    assert (info.height, info.width) == shown.shape[:2]
    if shutil.which("ffmpeg"):
        run = ["ffmpeg", "-v", "error", "-i", path, "-frames:v", "1", "-pix_fmt", "rgb24"]
        data = subprocess.check_output([*run, "-f", "rawvideo", "-"])
        ffmpegs = np.frombuffer(data, np.uint8).reshape(shown.shape).astype(int)
        assert np.abs(ffmpegs - shown).mean() < 3  # the program interpolates colour in its own way


def test_a_file_that_is_shown_askew_is_broken_and_the_row_gives_the_angle(tmp_path):
    path = write_matrix(write_clip(tmp_path / "a.mp4", 2), 0.8, 0.6, -0.6, 0.8)
    with pytest.raises(MediaError, match=r"a\.mp4: its pictures are turned by 37 degrees"):
        pyav.scan(path)
    assert probe(path).status == "broken" and "37 degrees" in probe(path).reason
