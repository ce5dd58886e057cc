"""Pictures and sound into an MP4 file: H.264 and AAC."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

AUDIO_BLOCK = 1024  # samples per AAC frame
# With B-frames, x264's macroblock tree gives other bytes now and then for the same pictures.
REPEATABLE = {"x264-params": "mbtree=0"}


def write_mp4(
    path: str | Path,
    frames: Iterable[np.ndarray],
    fps: Fraction,
    size: tuple[int, int],
    *,
    sound: np.ndarray | None = None,
    rate: int = 44100,
    options: dict[str, str] | None = None,
) -> None:
    """Encode frames uint8 RGB [H, W, 3] at `fps`, `size` = (width, height), even numbers.

    `sound` is float32 [S] or [2, S] at `rate` Hz; None writes no sound track. `options` go to
    libx264. The index is written last, as recorders do, so a file cut short cannot be opened.
    """
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        video = container.add_stream("libx264", rate=fps, options=REPEATABLE | (options or {}))
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = 1 / fps
        video.codec_context.thread_count = 1  # the bytes depend on the number of threads
        audio = None
        if sound is not None:
            sound = np.atleast_2d(sound)
            layout = "mono" if len(sound) == 1 else "stereo"
            audio = container.add_stream(
                "aac", rate=rate, layout=layout, options={"aac_coder": "fast"}
            )
            audio.bit_rate = 48000
        done = 0
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, 1 / fps
            container.mux(video.encode(frame))
            if audio is not None:
                done = _write_sound(container, audio, sound, done, int((number + 1) * rate / fps))
        container.mux(video.encode())
        if audio is not None:
            _write_sound(container, audio, sound, done, sound.shape[1] + AUDIO_BLOCK)
            container.mux(audio.encode())


def _write_sound(container, audio, sound: np.ndarray, done: int, until: int) -> int:
    """Encode whole blocks of samples up to `until` (and the rest at the end); return the count."""
    total = sound.shape[1]
    while done < total and done + AUDIO_BLOCK <= until:
        block = np.ascontiguousarray(sound[:, done : done + AUDIO_BLOCK], dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=audio.layout.name)
        frame.sample_rate, frame.pts = audio.rate, done
        frame.time_base = Fraction(1, audio.rate)
        container.mux(audio.encode(frame))
        done += block.shape[1]
    return done
