"""A file that was cut short in a download is partial, however its container says how long it is."""

from __future__ import annotations

import av
import numpy as np
import pytest
from video_clips import write_clip
from wstal.media.announced import announced_bytes, missing_bytes
from wstal.media.probe import probe

FAST = {"movflags": "faststart"}


def write(path, **changes):
    sound = np.zeros((1, 48000), np.float32)
    options = {"avi": {"codec": "mpeg4"}, "wmv": {"codec": "wmv2", "sound": None}}
    return write_clip(path, 90, **{"sound": sound} | options.get(path.suffix[1:], {}) | changes)


@pytest.mark.parametrize("suffix", ["avi", "wmv", "mkv", "mp4"])
def test_what_is_missing_is_counted(tmp_path, suffix):
    path = write(tmp_path / f"a.{suffix}")
    if suffix == "mp4":
        path = with_index_first(path)
    content = path.read_bytes()
    assert announced_bytes(path) in (len(content), len(content) - 1) and not missing_bytes(path)
    whole = probe(path)
    assert whole.frames == 90 and whole.status in ("ok", "no_audio")
    assert "announced" not in whole.reason and "cut" not in whole.reason
    for share in (0.97, 0.8, 0.7):
        path.write_bytes(content[: int(share * len(content))])
        info = probe(path)
        assert info.status == "partial" and "cut short" in info.reason, share
        assert 0 < info.frames <= 90 and info.duration <= whole.duration
    assert info.frames < 80 and info.duration < 0.9 * whole.duration


def test_a_transport_stream_announces_nothing_and_the_reason_says_so(tmp_path):
    path = write(tmp_path / "a.ts")
    assert announced_bytes(path) is None
    info = probe(path)
    assert (info.status, info.reason) == ("ok", "no announced length")


def with_index_first(path):
    """The same MP4 as web servers offer it: one with the index at its end is broken if cut."""
    first = path.with_name(f"first_{path.name}")
    with av.open(str(path)) as source, av.open(str(first), "w", options=FAST) as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    return first


def riff(form, length, size=None):
    return (
        b"RIFF"
        + (length if size is None else size).to_bytes(4, "little")
        + form
        + bytes(length - 4)
    )


def asf(size, flags):
    about = bytes(16) + size.to_bytes(8, "little") + bytes(40) + flags.to_bytes(4, "little")
    name, file_name = (
        bytes.fromhex(text)
        for text in ("3026b2758e66cf11a6d900aa0062ce6c", "a1dcab8c47a9cf118ee400c00c205365")
    )
    return name + bytes(14) + file_name + bytes(8) + about + bytes(12)


def box(kind, length, size=None):
    return (length if size is None else size).to_bytes(4, "big") + kind + bytes(length - 8)


EBML = bytes.fromhex("1a45dfa3 84 00000000 18538067")
HEADERS = {
    "two parts of a large AVI": (riff(b"AVI ", 100) + riff(b"AVIX", 50), 108 + 58),
    "the second part cut": (riff(b"AVI ", 100) + riff(b"AVIX", 50, 500), 108 + 508),
    "an AVI that was not finished": (riff(b"AVI ", 100, 0), None),
    "an AVI of unknown length": (riff(b"AVI ", 100, 0xFFFFFFFF), None),
    "a sound file": (riff(b"WAVE", 100), None),
    "ASF": (asf(5000, 0), 5000),
    "an ASF broadcast": (asf(5000, 1), None),
    "Matroska, size in one byte": (EBML + b"\x90" + bytes(9), len(EBML) + 1 + 16),
    "Matroska, size in eight": (EBML + b"\x01" + (999).to_bytes(7, "big"), len(EBML) + 8 + 999),
    "live Matroska": (EBML + b"\x01" + b"\xff" * 7, None),
    "MP4": (box(b"ftyp", 24) + box(b"moov", 40) + box(b"mdat", 30, 900), 24 + 40 + 900),
    "a large MP4": (
        box(b"ftyp", 24) + box(b"mdat", 8, 1) + (5 << 30).to_bytes(8, "big"),
        24 + (5 << 30),
    ),
    "MP4 up to its end": (box(b"ftyp", 24) + box(b"mdat", 30, 0), 24),
    "MP4 and bytes behind it": (box(b"ftyp", 24) + box(b"mdat", 30) + b"\0" * 40, 54),
    "nothing": (b"", None),
    "text": (b"video,labels,split\n", None),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_headers_are_read(tmp_path, kind):
    content, expected = HEADERS[kind]
    (tmp_path / "a").write_bytes(content)
    assert announced_bytes(tmp_path / "a") == expected
    found = missing_bytes(tmp_path / "a")
    is_cut = expected is not None and expected > len(content) + 16
    assert found.startswith(f"cut short: {len(content)} of {expected:,}" if is_cut else "")
    assert bool(found) == is_cut
