"""Compare second 0, pictures, durations and sound of unusual files with what ffmpeg decodes.

The program makes files with the `ffmpeg` on the PATH: every container that it muxes and each thing
that recorders, cutters and joiners do to a clock. Every picture carries its number, and beeps begin
at 1 and 3 s, with pictures 25 and 75. The reference is ffmpeg's own decoding: -r 25 -fps_mode cfr.
A file is equal if the grid has as many pictures within one, if each picture is one that ffmpeg
shows within one step of the grid, and if the seconds from a picture to its beep are ffmpeg's within
20 ms. EXCEPTIONS names the cause of each other file.

Examples:
  python -m benchmarks.studies.media_clock
  python -m benchmarks.studies.media_clock --only joined --dry-run
  python -m benchmarks.studies.media_clock --folder my_videos --dry-run
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from wstal.base.errors import WstalError
from wstal.media.frames import choose_decoder, load_decoder, read_frames, read_timeline
from wstal.media.sound import decode_sound

from benchmarks.record import record_parser, write_record

RATE, COUNT, SIZE, BITS = 25, 100, (160, 96), 9
BEEPS, FLASHES = (1.0, 3.0), (25, 75)
NEAR = 20.0  # milliseconds of sound
SAME = 0.98  # of the files must equal ffmpeg
PACKAGES = ("av", "decord", "torchcodec", "numpy")
DECODERS = ("pyav", "decord", "torchcodec")

# Files that differ from ffmpeg's decoding, and why. Nothing else may differ.
EXCEPTIONS = {
    "b_frames.avi": "AVI has no display times: ffmpeg shows pictures late by the decoder's delay",
    "open_gop.mpg": "a group of pictures has wrong times, which ffmpeg keeps: a beep 80 ms late",
    "plain.50.mp4": "ffmpeg drops a picture only if it is 1.1 steps late: it writes 52 for 2.00 s",
}

H264 = "-c:v libx264 -preset ultrafast -g 25 -bf 0 -pix_fmt yuv420p"
B_FRAMES = "-c:v libx264 -preset veryfast -g 25 -bf 2 -pix_fmt yuv420p"
AAC, MP2, PCM = "-c:a aac", "-c:a mp2", "-c:a pcm_s16le"


def ffmpeg(*words: str | Path, **options: Any) -> subprocess.CompletedProcess:
    """Run ffmpeg quietly; raises CalledProcessError."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, **options)


def numbered(number: int) -> np.ndarray:
    """Return gray [H, W]: the number as black and white bars above, a ramp below."""
    width, height = SIZE
    picture = np.tile(np.linspace(40, 200, width).astype(np.uint8), (height, 1))
    bar = width // BITS
    for bit in range(BITS):
        picture[: height // 2, bit * bar : (bit + 1) * bar] = 235 if number >> bit & 1 else 20
    return picture


def number_of(picture: np.ndarray) -> int:
    """Return the number that a gray picture [H, W] carries, whatever its size."""
    height, width = picture.shape
    bar = width * (SIZE[0] // BITS) / SIZE[0]
    row = picture[height // 8 : height // 3].mean(axis=0)
    return sum(int(row[int((bit + 0.5) * bar)] > 128) << bit for bit in range(BITS))


class Maker:
    """Makes the files of the study in `folder`, from raw pictures and sound."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parts: dict[Path, tuple[Path, ...]] = {}  # of joined files
        for first in (0, 200):
            pictures = np.stack([numbered(first + n) for n in range(COUNT)])
            pictures.tofile(folder / f"{first}.gray")
        second = np.arange(COUNT // RATE * 48000) / 48000
        inside = sum((b <= second) & (second < b + 0.1) for b in BEEPS)
        (0.7 * np.sin(2 * np.pi * 1000 * second) * inside).astype("<f4").tofile(folder / "a.f32")
        np.zeros(len(second), "<f4").tofile(folder / "silent.f32")

    def video(self, first: int = 0, rate: str = "25") -> list[str]:
        """Return the input of the pictures numbered from `first` on."""
        size = "x".join(map(str, SIZE))
        raw = f"-f rawvideo -pix_fmt gray -s {size} -r {rate} -i".split()
        return [*raw, str(self.folder / f"{first}.gray")]

    def sound(self, name: str = "a", rate: int = 48000) -> list[str]:
        """Return the input of the sound."""
        raw = f"-f f32le -ar {rate} -ac 1 -i".split()
        return [*raw, str(self.folder / f"{name}.f32")]

    def encode(self, name: str, options: str, sound: bool = True, rate: str = "25") -> Path:
        """Encode pictures and sound with ffmpeg's options."""
        path = self.folder / name
        heard = self.sound() if sound else []
        ffmpeg(*self.video(rate=rate), *heard, *options.split(), path)
        return path

    def copy(self, name: str, before: str, source: Path, after: str = "") -> Path:
        """Copy streams without coding: `before` and `after` are options of input and output."""
        path = self.folder / name
        ffmpeg(*before.split(), "-i", source, *(after or "-c copy").split(), path)
        return path

    def offset(self, name: str, source: Path, kind: str, seconds: float, options: str = "") -> Path:
        """Copy a file with its sound (`a`) or its pictures (`v`) later by `seconds`."""
        path, other = self.folder / name, "v" if kind == "a" else "a"
        moved = ["-itsoffset", str(seconds), "-i", source]
        maps = ["-map", f"0:{other}", "-map", f"1:{kind}"]
        ffmpeg("-i", source, *moved, *maps, "-c", "copy", *options.split(), path)
        return path

    def join(self, name: str, *parts: Path) -> Path:
        """Join bytes, as `cat` does."""
        path = self.folder / name
        path.write_bytes(b"".join(part.read_bytes() for part in parts))
        self.parts[path] = parts
        return path

    def cut_bytes(self, name: str, source: Path, share: float) -> Path:
        """Leave out a share of a transport stream's packets at its beginning."""
        path, data = self.folder / name, source.read_bytes()
        path.write_bytes(data[188 * int(share * len(data) / 188) :])
        return path

    def patch(self, name: str, source: Path, matrix: tuple[int, int, int, int]) -> Path:
        """Write a display matrix (a, b, c, d) into the first track of an MP4."""
        data = bytearray(source.read_bytes())
        at = data.index(b"tkhd") + 44
        for place, value in zip((0, 4, 12, 16), matrix, strict=True):
            data[at + place : at + place + 4] = (value << 16).to_bytes(4, "big", signed=True)
        path = self.folder / name
        path.write_bytes(data)
        return path


MADE: dict[str, Callable[[Maker, str], object]] = {}

CONTAINERS = {
    "mp4": f"{H264} {AAC}",
    "mov": f"{H264} {AAC}",
    "m4v": f"{H264} {AAC} -f ipod",
    "3gp": f"{H264} {AAC}",
    "3g2": f"{H264} {AAC}",
    "f4v": f"{H264} {AAC}",
    "psp.mp4": f"{B_FRAMES} {AAC} -f psp",
    "ismv": f"{H264} {AAC}",
    "fragmented.mp4": f"{H264} {AAC} -movflags frag_keyframe+empty_moov",
    "faststart.mp4": f"{B_FRAMES} {AAC} -movflags faststart",
    "mkv": f"{H264} {AAC}",
    "mp3.mkv": f"{H264} -c:a libmp3lame",
    "webm": "-c:v libvpx -b:v 400k -c:a libopus",
    "vp9.webm": "-c:v libvpx-vp9 -b:v 400k -cpu-used 8 -c:a libvorbis",
    "avi": f"-c:v mpeg4 -b:v 800k {PCM}",
    "mp3.avi": "-c:v mpeg4 -b:v 800k -c:a libmp3lame",
    "mjpeg.avi": f"-c:v mjpeg -q:v 3 -pix_fmt yuvj420p {PCM}",
    "ts": f"{H264} {AAC}",
    "mp2.ts": f"{B_FRAMES} {MP2}",
    "m2ts": f"{H264} -c:a ac3",
    "mpg": f"-c:v mpeg1video -b:v 800k {MP2}",
    "vob": f"-c:v mpeg2video -b:v 800k -bf 2 {MP2}",
    "svcd.mpg": f"-c:v mpeg2video -b:v 800k {MP2} -f svcd",
    "flv": f"{H264} {AAC}",
    "flv1.flv": "-c:v flv -b:v 800k -c:a libmp3lame -ar 44100",
    "wmv": "-c:v wmv2 -b:v 800k -c:a wmav2",
    "asf": "-c:v msmpeg4 -b:v 800k -c:a libmp3lame",
    "ogv": "-c:v libtheora -q:v 8 -c:a libvorbis",
    "mxf": f"-c:v mpeg2video -b:v 800k -g 12 {PCM}",
    "nut": f"-c:v ffv1 {PCM}",
    "wtv": f"-c:v mpeg2video -b:v 800k {MP2}",
    "swf": "-c:v flv -b:v 800k -c:a libmp3lame -ar 44100",
}
SILENT = {
    "gif": "",
    "apng": "-plays 1",
    "h264": H264,
    "hevc": "-c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=0",
    "ivf": "-c:v libvpx -b:v 400k",
    "mjpeg": "-c:v mjpeg -q:v 3 -pix_fmt yuvj420p",
    "y4m": "-pix_fmt yuv420p",
    "raw.m4v": "-c:v mpeg4 -b:v 800k -f m4v",
    "no_sound.mp4": B_FRAMES,
    "ntsc.mp4": B_FRAMES,
    "film.mkv": B_FRAMES,
    "50.mp4": B_FRAMES,
    "12.5.mp4": B_FRAMES,
}
RATES = {"ntsc.mp4": "30000/1001", "film.mkv": "24000/1001", "50.mp4": "50", "12.5.mp4": "25/2"}
VARIABLE = "-vf setpts='N/25/TB+floor(N/20)*0.1/TB' -vsync vfr"
CODED = {
    "b_frames": B_FRAMES,
    "open_gop": f"{B_FRAMES} -x264-params open-gop=1",
    "interlaced": f"{B_FRAMES} -x264opts tff=1",
    "10_bit": "-c:v libx264 -preset ultrafast -pix_fmt yuv420p10le",
    "444": "-c:v libx264 -preset ultrafast -pix_fmt yuv444p",
    "odd": "-vf scale=161:97 -c:v libx264 -preset ultrafast -pix_fmt yuv444p",
    "variable": f"{VARIABLE} {H264}",
    "variable_b_frames": f"{VARIABLE} {B_FRAMES}",
    "hevc": "-c:v libx265 -preset ultrafast -x265-params log-level=none",
}
SOUND = {"mp4": AAC, "mov": PCM, "mkv": AAC, "ts": MP2, "nut": MP2, "flv": AAC, "3gp": AAC}
KINDS = {
    f"{kind}.{suffix}": f"{coded} {SOUND[suffix]}"
    for kind, coded in CODED.items()
    for suffix in ("mp4", "mov", "mkv", "ts")
} | {
    "b_frames.avi": f"{B_FRAMES} {PCM}",
    "open_gop.mpg": f"-c:v mpeg2video -b:v 800k -g 12 -bf 2 {MP2}",
    "interlaced.mpg": f"-c:v mpeg2video -b:v 800k -flags +ildct+ilme -top 1 {MP2}",
    "odd.avi": f"-vf scale=161:97 -c:v ffv1 -pix_fmt yuv420p {PCM}",
    "alpha.mov": f"-c:v qtrle -pix_fmt argb {PCM}",
    "alpha.webm": "-c:v libvpx-vp9 -b:v 400k -cpu-used 8 -pix_fmt yuva420p -c:a libopus",
    "variable.webm": f"{VARIABLE} -c:v libvpx -b:v 400k -c:a libopus",
}
MIRRORS = {
    "mirrored": ("hflip", (-1, 0, 0, 1)),
    "flipped": ("vflip", (1, 0, 0, -1)),
    "turned": ("hflip,vflip", (-1, 0, 0, -1)),
    "left": ("transpose=1", (0, -1, 1, 0)),
    "right": ("transpose=2", (0, 1, -1, 0)),
    "mirrored_left": ("transpose=0", (0, 1, 1, 0)),
    "mirrored_right": ("transpose=3", (0, -1, -1, 0)),
}


def study(name: str) -> Callable:
    """Register the function that makes the file `name`."""
    return lambda make: MADE.setdefault(name, make)


for _name, _options in (CONTAINERS | KINDS).items():
    MADE[f"plain.{_name}" if _name in CONTAINERS else _name] = lambda m, name, options=_options: (
        m.encode(name, options)
    )
for _name, _options in SILENT.items():
    MADE[f"plain.{_name}"] = lambda m, name, options=_options, rate=RATES.get(_name, "25"): (
        m.encode(name, options, sound=False, rate=rate)
    )
for _name, (_filter, _matrix) in MIRRORS.items():
    for _suffix in ("mp4", "mov"):
        MADE[f"{_name}.{_suffix}"] = lambda m, name, how=_filter, matrix=_matrix: m.patch(
            name, m.encode(f"straight_{name}", f"-vf {how} {H264} {AAC}"), matrix
        )
for _suffix, _heard in SOUND.items():
    MADE[f"late_video.{_suffix}"] = lambda m, name, heard=_heard: m.offset(
        name, m.encode(f"source_{name}", f"{H264} {heard}"), "v", 2
    )
    MADE[f"late_sound.{_suffix}"] = lambda m, name, heard=_heard: m.offset(
        name, m.encode(f"source_{name}", f"{H264} {heard}"), "a", 0.48, "-t 3.9"
    )
    MADE[f"both_late.{_suffix}"] = lambda m, name, heard=_heard: m.encode(
        name, f"{B_FRAMES} {heard} -output_ts_offset 7"
    )
for _suffix in ("mp4", "mov", "mkv", "3gp"):
    MADE[f"cut.{_suffix}"] = lambda m, name, heard=SOUND[_suffix]: m.copy(
        name, "-ss 0.5", m.encode(f"whole_{name}", f"{H264} -g 50 {heard}")
    )
for _suffix in ("ts", "mp4", "mov"):
    MADE[f"negative.{_suffix}"] = lambda m, name, heard=SOUND[_suffix]: m.copy(
        name, "-itsoffset -0.6", m.encode(f"whole_{name}", f"{H264} {heard}"),
        "-c copy -copyts -avoid_negative_ts disabled",
    )  # fmt: skip
MADE["begins_within_gop.ts"] = lambda m, name: m.cut_bytes(
    name, m.encode("for_begin.ts", f"{H264} {MP2}"), 0.1
)
JOINED = {
    "joined.ts": f"{H264} {MP2}",
    "joined_b_frames.ts": f"{B_FRAMES} {MP2}",
    "joined_hevc.ts": f"{CODED['hevc']} -c:a ac3",
    "joined_mpeg2.ts": f"-c:v mpeg2video -b:v 800k -bf 2 {MP2}",
    "joined.mpg": f"-c:v mpeg2video -b:v 800k {MP2}",
    "joined.vob": f"-c:v mpeg2video -b:v 800k {MP2}",
}
for _name, _options in JOINED.items():
    MADE[_name] = lambda m, name, options=_options: m.join(
        name, *[m.encode(f"part_{name}", options)] * 2
    )
    MADE[f"three_{_name}"] = lambda m, name, options=_options: m.join(
        name, *[m.encode(f"part_{name}", options)] * 3
    )
for _seconds in (-500, 15, 500, 50_000):
    MADE[f"joined_{_seconds}_s_later.ts"] = lambda m, name, seconds=_seconds: m.join(
        name, m.encode("early.ts", f"{H264} {MP2} -output_ts_offset 600"),
        m.encode("later.ts", f"{H264} {MP2} -output_ts_offset {600 + seconds}"),
    )  # fmt: skip
for _name, _options in {"": f"{H264} {MP2}", "_b_frames": f"{B_FRAMES} {AAC}"}.items():
    for _before in (0.5, 2, 3.5):
        MADE[f"wrapped{_name}_after_{_before}_s.ts"] = (
            lambda m, name, options=_options, before=_before: m.encode(
                name, f"{options} -muxdelay 0 -output_ts_offset {2**33 / 90000 - before:.3f}"
            )
        )
MADE["resized.ts"] = lambda m, name: m.join(
    name, m.encode("small.ts", f"{H264} {MP2}"),
    m.encode("large.ts", f"-vf scale=320:192 {H264} {MP2}"),
)  # fmt: skip


@study("last_picture_stays.mp4")
def _(m: Maker, name: str) -> None:
    tail = r"setts=duration=if(eq(N\,99)\,DURATION*150\,DURATION)"
    m.copy(name, "", m.encode("for_stays.mp4", H264, sound=False), f"-c copy -bsf:v {tail}")


@study("still_for_eleven_minutes.mp4")
def _(m: Maker, name: str) -> None:
    late = r"setts=ts=TS+660/TB*gte(N\,50)"
    m.copy(name, "", m.encode("for_still.mp4", H264, sound=False), f"-c copy -bsf:v {late}")


@study("cover.mp4")
def _(m: Maker, name: str) -> None:
    ffmpeg(*m.video(200), "-frames:v", "1", m.folder / "cover.png")
    source = m.encode("for_cover.mp4", f"{H264} {AAC}")
    maps = ["-map", "1:v", "-map", "0", "-c", "copy", "-disposition:v:0", "attached_pic"]
    ffmpeg("-i", source, "-i", m.folder / "cover.png", *maps, m.folder / name)


@study("two_videos.mkv")
def _(m: Maker, name: str) -> None:
    maps = "-map 0:v -map 1:v -map 2:a -disposition:v:0 0 -disposition:v:1 default"
    options = f"{maps} {H264} {AAC}".split()
    ffmpeg(*m.video(200), *m.video(), *m.sound(), *options, m.folder / name)


@study("two_sounds.mkv")
def _(m: Maker, name: str) -> None:
    maps = "-map 0:v -map 1:a -map 2:a -disposition:a:0 0 -disposition:a:1 default"
    options = f"{maps} {H264} {AAC}".split()
    ffmpeg(*m.video(), *m.sound("silent"), *m.sound(), *options, m.folder / name)


@study("two_sounds.mp4")
def _(m: Maker, name: str) -> None:
    options = f"-map 0:v -map 1:a -map 2:a {H264} {AAC}".split()
    ffmpeg(*m.video(), *m.sound(), *m.sound("silent"), *options, m.folder / name)


@study("subtitles_outlast.mkv")
def _(m: Maker, name: str) -> None:
    (m.folder / "s.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\na\n\n"
                                    "2\n00:01:00,000 --> 00:01:02,000\nb\n")  # fmt: skip
    source = m.encode("for_subtitles.mkv", f"{H264} {AAC}")
    ffmpeg("-i", source, "-i", m.folder / "s.srt", "-c", "copy", m.folder / name)


def beep_seconds(sound: np.ndarray) -> list[float]:
    """Return the seconds at which beeps begin in 16 kHz sound."""
    loud = np.flatnonzero(np.abs(sound) > 0.25) / 16000
    starts = loud[np.diff(loud, prepend=-9.0) > 0.5] if len(loud) else loud
    return [float(second) for second in starts]


def sound_offsets(flashes: list[float], beeps: list[float]) -> list[float]:
    """Return the milliseconds from the nearest picture that has a beep to each beep."""
    nearest = [min((beep - flash for flash in flashes), key=abs, default=9.0) for beep in beeps]
    return [round(1000 * offset, 1) for offset in nearest]


def by_ffmpeg(path: Path, parts: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return what ffmpeg decodes: numbers on the 25 Hz grid, seconds of flashes, beeps, duration.

    One run makes all outputs: ffmpeg takes second 0 from the streams that it uses. Of a file that
    is joined from `parts`, ffmpeg plays these one after the other: where it reads the joined bytes,
    picture and sound each move its clock, and the second part begins late.
    """
    about = ffprobe(path, "-show_entries", "format=duration,start_time", "-of", "csv=p=0")
    start, length = [*about.strip().split(","), "N/A"][:2]
    has_sound = "audio" in ffprobe(path, "-show_entries", "stream=codec_type")
    gray = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", "160x96"]
    with tempfile.TemporaryDirectory() as folder:
        grid, each, heard = (Path(folder) / name for name in ("grid", "each", "sound"))
        outputs = ["-r", "25", "-fps_mode", "cfr", *gray, grid]
        outputs += ["-vf", "showinfo", "-fps_mode", "passthrough", *gray, each]
        if has_sound:
            outputs += ["-af", "aresample=async=1:first_pts=0", "-ac", "1", "-ar", "16000"]
            outputs += ["-f", "f32le", heard]
        source = ["-i", path]
        if parts:
            playlist = Path(folder) / "parts.txt"
            playlist.write_text("".join(f"file '{part}'\n" for part in parts))
            source = ["-f", "concat", "-safe", "0", "-i", playlist]
        command = ["ffmpeg", "-v", "info", "-nostdin", *source, *outputs]
        run = subprocess.run([*map(str, command)], check=True, capture_output=True)
        numbers = [number_of(p) for p in np.fromfile(grid, np.uint8).reshape(-1, 96, 160)]
        pictures = np.fromfile(each, np.uint8).reshape(-1, 96, 160)
        sound = np.fromfile(heard, "<f4") if has_sound else np.zeros(0)
    stamps = re.findall(rb"n: *\d+ pts: *\S+ pts_time:(\S+)", run.stderr)
    pairs = zip(pictures, stamps, strict=False)
    return {
        "numbers": numbers,
        "flashes": [float(at) for picture, at in pairs if number_of(picture) in FLASHES],
        "beeps": beep_seconds(sound),
        "duration": None if length == "N/A" else float(length),
        "start": None if start == "N/A" else float(start),
    }


def ffprobe(path: Path, *words: str) -> str:
    """Return what ffprobe prints."""
    command = ["ffprobe", "-v", "error", *words, str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def by_wstal(path: Path, name: str) -> dict[str, Any]:
    """Return the same of wstal with a decoder, and what it says about the file."""
    line = read_timeline(path, RATE)
    decoder, refusal = choose_decoder(path, line.frame_index, name)
    refusal = re.sub(r": \[\d.*", "", refusal.replace(str(path), path.name))  # decord's log line
    shown = [
        number_of(picture)
        for chunk in read_frames(path, line.frame_index, pixels="gray", decoder=decoder)
        for picture in chunk
    ]
    at = zip(shown, line.times[line.frame_index], strict=True)
    flashes = sorted({float(second) for number, second in at if number in FLASHES})
    try:
        beeps = beep_seconds(decode_sound(path).samples)
    except WstalError:
        beeps = []
    return {
        **{"decoder": decoder, "refusal": refusal, "numbers": shown, "flashes": flashes},
        **{"beeps": beeps, "duration": round(line.duration, 3), "start": round(line.start, 3)},
        **{"gaps": line.gaps, "clock": line.clock, "reason": line.reason},
    }


def steps_apart(own: list[int], theirs: list[int], slack: int) -> list[int]:
    """Return how far each picture's number is from those that ffmpeg shows within one grid step.

    Numbers within `slack` count as equal: at other rates than the grid's, ffmpeg rounds otherwise.
    """
    apart = []
    for k, number in enumerate(own[: len(theirs) + 1]):
        near = theirs[max(0, k - 1) : k + 2]
        outside = max(min(near) - number, number - max(near), 0)
        apart.append(max(0, outside - slack))
    return apart


def compare(own: dict[str, Any], theirs: dict[str, Any], slack: int) -> dict[str, Any]:
    """Return a row: the measures of both, and whether they are equal."""
    a, b = own["numbers"], theirs["numbers"]
    apart = steps_apart(a, b, slack)
    sounds = [sound_offsets(side["flashes"], side["beeps"]) for side in (own, theirs)]
    same_sound = len(sounds[0]) == len(sounds[1]) and all(
        abs(x - y) <= NEAR for x, y in zip(*sounds, strict=True)
    )
    row = {
        **{key: own[key] for key in ("decoder", "refusal", "duration", "start", "gaps", "reason")},
        "grid_frames": len(a),
        "ffmpeg_frames": len(b),
        "ffmpeg_duration": theirs["duration"],
        "ffmpeg_start": theirs["start"],
        "pictures_within_a_step": round(float(np.mean([x == 0 for x in apart])), 3) if a else 0.0,
        "sound_after_picture_ms": sounds[0],
        "ffmpeg_sound_after_picture_ms": sounds[1],
    }
    within = abs(len(a) - len(b)) <= 1 and not max(apart, default=9)
    row["equal"] = within and same_sound
    return row


@cache
def decoders() -> list[str]:
    """Return the decoders that load here."""
    found = []
    for name in DECODERS:
        try:
            load_decoder(name)
        except WstalError as error:
            print(error, file=sys.stderr)
        else:
            found.append(name)
    return found


def measure(files: Iterator[tuple[str, Path | str, tuple[Path, ...]]]) -> dict[str, dict[str, Any]]:
    """Return the rows of all files, by file and decoder; name those that ffmpeg cannot make."""
    rows: dict[str, dict[str, Any]] = {}
    for name, path, parts in files:
        if isinstance(path, str):
            print(f"{name:34} not made: {path}")
            continue
        theirs = by_ffmpeg(path, parts)
        for decoder in decoders():
            try:
                row = compare(by_wstal(path, decoder), theirs, name.removeprefix("plain.") in RATES)
            except WstalError as error:
                row = {"equal": False, "error": str(error).replace(str(path), name)}
            rows.setdefault(name, {})[decoder] = row
            mark = "equal" if row["equal"] else "DIFFERS"
            facts = {k: v for k, v in row.items() if k not in ("equal", "reason", "refusal")}
            print(f"{name:34} {decoder:6} {mark:7}", *facts.values(), flush=True)
    return rows


def made_files(folder: Path, only: str) -> Iterator[tuple[str, Path | str, tuple[Path, ...]]]:
    """Make the files one after the other."""
    maker = Maker(folder)
    for name, make in MADE.items():
        if only in name:
            try:
                make(maker, name)
            except subprocess.CalledProcessError as error:
                text = (error.stderr or b"").decode(errors="replace").strip().splitlines()
                yield name, text[-1] if text else "ffmpeg fails", ()
            else:
                yield name, folder / name, maker.parts.get(folder / name, ())


def main() -> None:
    """Measure all files, print and record them; exit 1 if more of them differ than may."""
    arguments = record_parser(__doc__)
    arguments.add_argument("--folder", type=Path, help="measure these files, make none")
    arguments.add_argument("--only", default="", help="files whose name has this")
    args = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        given = args.folder and ((p.name, p, ()) for p in sorted(args.folder.iterdir()))
        rows = measure(given or made_files(Path(folder), args.only))
    differing = sorted(n for n, of in rows.items() if not all(row["equal"] for row in of.values()))
    equal = len(rows) - len(differing)
    print(f"{equal} of {len(rows)} files equal ffmpeg with every decoder")
    for name in differing:
        print(f"{name}: {EXCEPTIONS.get(name, 'NO CAUSE IS KNOWN')}")
    version = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True)
    results = {
        "files": len(rows),
        "equal": equal,
        "exceptions": {name: EXCEPTIONS.get(name, "unknown") for name in differing},
        "rows": rows,
    }
    if not args.dry_run:
        settings = {"ffmpeg": version.stdout.split()[2], "rate": RATE, "near_ms": NEAR}
        print(write_record("media_clock", results, settings=settings, packages=PACKAGES))
    if equal < SAME * len(rows) or set(differing) - EXCEPTIONS.keys():
        sys.exit(1)


if __name__ == "__main__":
    main()
