"""Clips for the tests of video/: every frame carries its own number, readable after coding."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS = 9
TICK = Fraction(1, 12000)  # divides 24, 25 and 30 frames a second and milliseconds


def numbered(number: int, size: tuple[int, int] = (160, 96)) -> np.ndarray:
    """RGB [H, W, 3]: the number as black and white bars above, a coloured ramp below."""
    width, height = size
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = np.linspace(40, 200, width).astype(np.uint8)
    picture[..., 1] = np.linspace(30, 180, height).astype(np.uint8)[:, None]
    picture[..., 2] = 90
    bar = width // BITS
    for bit in range(BITS):
        picture[: height // 2, bit * bar : (bit + 1) * bar] = 235 if number >> bit & 1 else 20
    return picture


def number_of(picture: np.ndarray) -> int:
    """The number a picture [H, W] or [H, W, 3] carries, whatever its size."""
    gray = picture if picture.ndim == 2 else picture.mean(axis=2)
    height, width = gray.shape
    bar = width * (160 // BITS) / 160
    row = gray[height // 8 : height // 3].mean(axis=0)
    return sum(int(row[int((bit + 0.5) * bar)] > 128) << bit for bit in range(BITS))


def write_clip(
    path: Path,
    count: int = 50,
    *,
    rate: Fraction = Fraction(25),
    times: list[float] | None = None,
    size: tuple[int, int] = (160, 96),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    sound: np.ndarray | None = None,
    sound_rate: int = 16000,
    sound_start: float = 0.0,
    sound_codec: str = "aac",
    video_start: float = 0.0,
    first: int = 0,
    full_range: bool = False,
    options: dict[str, str] | None = None,
    container: str | None = None,
) -> Path:
    """Numbered frames at `rate`, or at `times` (seconds); `sound` float [channels, S] or none.

    The numbers begin at `first`.
    """
    presets = {"preset": "ultrafast", "g": "20", "bf": "2"} if codec == "libx264" else {}
    with av.open(str(path), "w", format=container) as file:
        video = file.add_stream(codec, rate=rate, options=presets | (options or {}))
        video.width, video.height, video.pix_fmt = *size, pixels
        base = video.codec_context.time_base = TICK if times else 1 / rate
        if full_range:
            video.codec_context.color_range = av.video.reformatter.ColorRange.JPEG
        audio = None
        if sound is not None:
            layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(sound)]
            audio = file.add_stream(sound_codec, rate=sound_rate, layout=layout)
            audio.codec_context.time_base = Fraction(1, sound_rate)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(numbered(first + number, size), format="rgb24")
            if full_range:
                frame = frame.reformat(format=pixels, dst_color_range="JPEG")
            at = times[number] if times else number / rate
            frame.pts, frame.time_base = round((at + video_start) / base), base
            file.mux(video.encode(frame))
        file.mux(video.encode())
        if audio is not None:
            _write_sound(file, audio, sound, round(sound_start * sound_rate))
    return path


def _write_sound(file, audio, sound: np.ndarray, start: int) -> None:
    size = audio.codec_context.frame_size or 1024
    planar = audio.codec_context.format.is_planar
    kind = audio.codec_context.format.name.rstrip("p")
    for first in range(0, sound.shape[1], size):
        block = np.ascontiguousarray(sound[:, first : first + size], dtype=np.float32)
        if kind == "s16":
            block = (block * 32767).astype(np.int16)
        elif kind == "u8":
            block = (block * 127 + 128).astype(np.uint8)
        if not planar:
            block = np.ascontiguousarray(block.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(
            block, format=audio.codec_context.format.name, layout=audio.layout.name
        )
        frame.sample_rate, frame.pts = audio.rate, first + start
        frame.time_base = Fraction(1, audio.rate)
        file.mux(audio.encode(frame))
    file.mux(audio.encode())


def rotate_header(path: Path, degrees: int) -> Path:
    """Write a rotation into the track header of an MP4, as phones do."""
    cos, sin = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    return write_matrix(path, cos, sin, -sin, cos)


def write_matrix(path: Path, a: float, b: float, c: float, d: float) -> Path:
    """Write a display matrix into the track header of an MP4."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version and flags, times, ids, layer, volume
    for place, value in zip((0, 4, 12, 16), (a, b, c, d), strict=True):
        data[at + place : at + place + 4] = round(value * 65536).to_bytes(4, "big", signed=True)
    path.write_bytes(data)
    return path
