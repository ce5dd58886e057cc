"""Second 0, jumps, silences, ends and streams, in files as recorders, cutters and joiners make them.

Each case makes its file and states what a player shows: which picture at which second, when beeps
are heard, how long it lasts, and what the manifest says about it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from remuxed_clips import DISPOSITION, Track, beeping, beeps_in, join, remux, write_subtitles
from video_clips import number_of, write_clip
from wstal.media.frames import read_frames, read_timeline
from wstal.media.probe import probe
from wstal.media.sound import NoAudio, read_sound

WRAP = 2**33 / 90000  # seconds until the clock of a transport stream starts again
DEFAULT, NONE, COVER = DISPOSITION.default, DISPOSITION(0), DISPOSITION.attached_pic


class Source(NamedTuple):
    """Clips to remux: `plain`, `aac` and `b` (B-frames, MP2) have 75 pictures and beeps at 1 and 2 s.

    `other` has 50 pictures, numbered from 100 on, and a beep at 0.5 s.
    """

    folder: Path
    plain: Path
    aac: Path
    b: Path
    other: Path
    mpeg2: Path
    cover: Path


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Source:
    folder = tmp_path_factory.mktemp("clock")
    sound, plain = beeping(3, (1, 2)), {"options": {"bf": "0", "g": "25"}}
    mp2 = {"sound": sound, "sound_codec": "mp2"}
    return Source(
        folder,
        write_clip(folder / "plain.mkv", 75, sound=sound, sound_codec="pcm_s16le", **plain),
        write_clip(folder / "aac.mp4", 75, sound=sound, **plain),
        write_clip(folder / "b.mp4", 75, **mp2),
        write_clip(folder / "other.mp4", 50, first=100, **mp2 | {"sound": beeping(2, (0.5,))}),
        write_clip(folder / "mpeg2.mkv", 75, codec="mpeg2video", **mp2),
        write_clip(folder / "cover.mkv", 1, first=300, codec="mjpeg", pixels="yuvj420p"),
    )


class Right(NamedTuple):
    """A file and what a player makes of it: pictures by second, seconds of beeps, of the end."""

    make: Callable[[Source], Path]
    pictures: dict[float, int]
    beeps: list[float] | None
    duration: float
    gaps: int = 0
    reason: str = ""  # a regular expression; "" for none


CASES: dict[str, Right] = {}


def case(name: str, pictures: dict, beeps: list | None, duration: float, *more) -> Callable:
    """Register the function that makes the file `name`."""

    def register(make: Callable[[Source, Path], object]) -> Callable:
        def write(source: Source) -> Path:
            make(source, source.folder / name)
            return source.folder / name

        CASES[name] = Right(write, pictures, beeps, duration, *more)
        return make

    return register


def moved(path: Path, clip: Path, video=float, sound=float, **options) -> Path:
    """Write picture and sound of a clip with other times."""
    return remux(path, Track(clip, "video", video), Track(clip, "audio", sound), **options)


def later(seconds: float) -> Callable[[float], float]:
    return lambda second: second + seconds


def of(source: Source, path: Path) -> Path:
    """Return the clip that goes into a container."""
    return source.mpeg2 if path.suffix == ".vob" else source.b


PLAIN = {0: 0, 1: 25, 2.96: 74}


for suffix in ("mkv", "mp4", "mov", "ts", "vob"):
    # The first picture comes 2 s after the sound: until then it is shown, and that is a gap.
    @case(f"late_video.{suffix}", {0: 0, 1.9: 0, 3: 25, 4.96: 74}, [1, 2], 5, 1, "comes at 2.0. s")
    def _(source, path):
        moved(path, of(source, path), video=later(2))

    @case(f"late_sound.{suffix}", PLAIN, [1.5, 2.5], 3)
    def _(source, path):
        moved(path, of(source, path), sound=later(0.5))

    @case(f"both_late.{suffix}", PLAIN, [1, 2], 3)
    def _(source, path):
        moved(path, of(source, path), later(7), later(7))


@case("video_late_by_less_than_a_step.mkv", PLAIN, [0.97, 1.97], 3)
def _(source, path):
    moved(path, source.plain, video=later(0.03))


@case("video_late_by_half_a_second.mkv", {0: 0, 0.5: 0, 1: 12, 3.46: 74}, [1, 2], 3.5)
def _(source, path):
    moved(path, source.plain, video=later(0.5))


@case("negative_start.mkv", PLAIN, [1, 2], 3)
def _(source, path):
    moved(path, source.plain, later(-2), later(-2), avoid_negative_ts="disabled")


@case("sound_before_zero.mkv", {0: 0, 1.4: 10, 3.96: 74}, [1, 2], 4)
def _(source, path):
    moved(path, source.plain, later(0), later(-1), avoid_negative_ts="disabled")


for suffix in ("mp4", "mov"):
    # Cutting without coding keeps the pictures from the key frame on; an edit list hides them.
    @case(f"edit_list.{suffix}", {0: 10, 1: 35, 2.56: 74}, [0.6, 1.6], 2.6)
    def _(source, path):
        moved(path, source.aac, later(-0.4), later(-0.4), avoid_negative_ts="disabled")


JOINED = {0: 0, 2.96: 74, 3: 100, 4.96: 149}
ONCE = "jumps once"


def part(source: Source, which: str, by: float) -> Path:
    clip = getattr(source, which)
    path = source.folder / f"{which}{by:.0f}.ts"
    return path if path.exists() else moved(path, clip, later(by), later(by), mpegts_copyts="1")


def video_part(source: Source, which: str, by: float) -> Path:
    path = source.folder / f"{which}{by:.0f}_silent.ts"
    return remux(path, Track(getattr(source, which), when=later(by)), mpegts_copyts="1")


@case("joined.ts", JOINED, [1, 2, 3.5], 5, 0, ONCE)
def _(source, path):
    join(path, part(source, "b", 5), part(source, "other", 5))


@case("joined_with_a_later_clock.ts", JOINED, [1, 2, 3.5], 5, 0, ONCE)
def _(source, path):
    join(path, part(source, "b", 5), part(source, "other", 100))


@case("joined_with_an_earlier_clock.ts", JOINED, [1, 2, 3.5], 5, 0, ONCE)
def _(source, path):
    join(path, part(source, "b", 5000), part(source, "other", 5))


@case("three_joined.ts", JOINED | {5: 0, 7.96: 74}, [1, 2, 3.5, 6, 7], 8, 0, "jumps 2 times")
def _(source, path):
    join(path, part(source, "b", 5), part(source, "other", 5), part(source, "b", 900))


@case("joined_without_sound.ts", JOINED, None, 5, 0, ONCE)
def _(source, path):
    join(path, video_part(source, "b", 5), video_part(source, "other", 5))


@case("joined.vob", PLAIN | {3: 0, 5.96: 74}, [1, 2, 4, 5], 6, 0, ONCE)
def _(source, path):
    one = moved(source.folder / "one.vob", source.mpeg2)
    join(path, one, one)


@case("wrapped.ts", PLAIN, [1, 2], 3)
def _(source, path):
    by = later(WRAP - 1.5)
    moved(path, source.b, by, by, mpegts_copyts="1")


@case("wrapped_soon.ts", PLAIN, [1, 2], 3)
def _(source, path):
    by = later(WRAP - 0.1)
    moved(path, source.b, by, by, mpegts_copyts="1")


@case("joined_after_a_wrap.ts", JOINED, [1, 2, 3.5], 5, 0, ONCE)
def _(source, path):
    join(path, part(source, "b", WRAP - 1.5), part(source, "other", 50))


def still_for(seconds: float) -> Callable[[float], float]:
    """Return times with no picture for `seconds` after the first 25."""
    return lambda second: second + seconds * (second > 0.97)


@case("still.ts", {0: 0, 20: 24, 31: 25, 32.96: 74}, [1, 2], 33, 1, "1 gaps .* 30.04 s")
def _(source, path):
    long = source.folder / "long.mkv"
    write_clip(long, 2, sound=beeping(33, (1, 2)), sound_codec="mp2")
    remux(path, Track(source.plain, when=still_for(30)), Track(long, "audio"))


for suffix, seconds in (
    ("ts", 700),
    ("mp4", 660),
    ("mkv", 660),
    ("mp4", 3 * 3600),
    ("mkv", 3 * 3600),
):

    @case(
        f"still_{seconds}.{suffix}",
        {0.9: 22, seconds: 24, seconds + 1: 25, seconds + 2.96: 74},
        None,
        *(seconds + 3, 1, f"1 gaps .* {seconds}.04 s"),
    )
    def _(source, path, seconds=seconds):
        remux(path, Track(source.plain, when=still_for(seconds)))


for suffix in ("mp4", "mkv"):

    @case(f"last_picture_stays.{suffix}", {2.9: 72, 22.9: 74}, None, 23, 1, "1 gaps .* 20.04 s")
    def _(source, path):
        remux(path, Track(source.plain, stays=20.04))

    @case(f"sound_outlasts.{suffix}", {2.96: 74, 8.9: 74}, [1, 7], 9, 1, "1 gaps .* 6.0. s")
    def _(source, path):
        long = write_clip(source.folder / "nine.mkv", 2, sound=beeping(9, (1, 7)))
        remux(path, Track(source.plain), Track(long, "audio"))

    @case(f"sound_outlasts_a_little.{suffix}", PLAIN, [1, 2], 3)
    def _(source, path):
        long = write_clip(source.folder / "long.mkv", 2, sound=beeping(3.6, (1, 2)))
        remux(path, Track(source.b), Track(long, "audio"))

    @case(f"second_sound_outlasts.{suffix}", PLAIN, [1, 2], 3)
    def _(source, path):
        long = write_clip(source.folder / "nine.mkv", 2, sound=beeping(9, (0.4,)))
        remux(
            path, *(Track(source.b, kind) for kind in ("video", "audio")),
            Track(long, "audio", disposition=NONE),
        )  # fmt: skip

    @case(f"second_video_outlasts.{suffix}", {1: 125, 1.96: 149}, [0.5], 2)
    def _(source, path):
        remux(
            path, Track(source.plain, disposition=NONE),
            *(Track(source.other, kind) for kind in ("video", "audio")),
        )  # fmt: skip

    @case(f"default_sound.{suffix}", PLAIN, [0.5], 3)
    def _(source, path):
        remux(
            path, Track(source.b), Track(source.b, "audio", disposition=NONE),
            Track(source.other, "audio"),
        )  # fmt: skip


@case("subtitles_outlast.mkv", PLAIN, [1, 2], 3)
def _(source, path):
    srt = write_subtitles(source.folder / "s.srt", 1, 60)
    remux(path, *(Track(source.plain, k) for k in ("video", "audio")), Track(srt, "subtitle"))


@case("cover.mp4", PLAIN, [1, 2], 3)
def _(source, path):
    cover = Track(source.cover, disposition=COVER)
    remux(path, cover, *(Track(source.aac, kind) for kind in ("video", "audio")))


def unknown(path: Path, *boxes: bytes) -> None:
    """Make the first stream of an MP4 that has these boxes one that nothing decodes."""
    media, moov, index = path.read_bytes().rpartition(b"moov")
    for box in boxes:
        index = index.replace(box, b"zzzz", 1)
    path.write_bytes(media + moov + index)


@case(
    "unknown_sound_first.mp4",
    PLAIN,
    [0.5],
    3,
    0,
    r"^audio stream 1 .* stream 2 \(mp3float\) is used",
)
def _(source, path):
    aac = [Track(source.aac, kind) for kind in ("video", "audio")]
    remux(path, *aac, Track(source.other, "audio", disposition=NONE))
    unknown(path, b"mp4a", b"esds")


@case("unknown_video_first.mp4", {0: 100, 1.96: 149}, [1], 2, 0, r"^video stream 0 .* 1 \(h264\)")
def _(source, path):
    short = Track(source.aac, "audio", keep=lambda second: second < 1.9)
    remux(path, Track(source.aac), Track(source.other, disposition=NONE), short)
    unknown(path, b"avc1", b"avcC")


@case("unknown_sound.mp4", PLAIN, None, 3)
def _(source, path):
    moved(path, source.aac)
    unknown(path, b"mp4a", b"esds")


@pytest.mark.parametrize("name", CASES)
def test_what_a_player_shows(source, name):
    right = CASES[name]
    path = right.make(source)
    line, info = read_timeline(path, 25), probe(path)
    assert line.duration == pytest.approx(right.duration, abs=0.05)
    assert info.duration == pytest.approx(line.duration, abs=1e-3)
    assert abs(len(line.frame_index) - round(right.duration * 25)) <= 1
    index = [line.frame_index[round(second * 25)] for second in right.pictures]
    read = [number_of(p) for chunk in read_frames(path, index) for p in chunk]
    step = 1 if "late" in name else 0  # the encoder's delay of the sound moves second 0
    assert read == pytest.approx(list(right.pictures.values()), abs=step)
    if right.beeps is not None:
        assert beeps_in(read_sound(path)) == pytest.approx(right.beeps, abs=0.045)
    assert line.gaps == right.gaps
    assert re.search(right.reason or "^(no announced length)?$", line.reason), line.reason
    assert info.audio == (right.beeps is not None)
    assert "cut short" not in info.reason


def test_a_sound_that_nothing_decodes_is_named(source):
    path = CASES["unknown_sound.mp4"].make(source)
    info = probe(path)
    assert (info.status, info.audio) == ("no_audio", False)
    assert info.reason == "its sound does not decode here (unknown codec)"
    with pytest.raises(NoAudio, match=r"unknown_sound.mp4: its sound does not decode here"):
        read_sound(path)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_cut_short_means_the_video_stream(source, tmp_path, suffix):
    """A file that lost its end says so."""
    whole = remux(
        tmp_path / f"whole.{suffix}",
        *(Track(source.aac if suffix == "mp4" else source.plain, k) for k in ("video", "audio")),
        **({"movflags": "faststart"} if suffix == "mp4" else {}),
    )
    data = whole.read_bytes()
    assert "cut short" not in probe(whole).reason
    whole.write_bytes(data[: int(len(data) * 0.6)])
    info = probe(whole)
    assert info.status == "partial"
    assert "cut short" in info.reason
    assert info.duration < 2.5
