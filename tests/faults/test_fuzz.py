"""Damaged videos of every common container: a row with the truth about each, and no other harm."""

from __future__ import annotations

import json
import multiprocessing
import random
from collections import Counter
from pathlib import Path

import av
import numpy as np
from video_clips import write_clip
from wstal.base.errors import MediaError
from wstal.media.frames import read_frames, read_timeline
from wstal.media.probe import probe
from wstal.media.sound import read_sound

SEED, VARIANTS, FRAMES = 11, 36, 60  # of each container
LIMIT = 240  # s for all variants of a container
CONTAINERS = {
    "mp4": {},
    "mov": {"codec": "mpeg4"},
    "mkv": {},
    "avi": {"codec": "mpeg4", "sound_codec": "pcm_s16le"},
    "webm": {"codec": "libvpx", "sound_codec": "libopus", "sound_rate": 48000},
    "ts": {"sound_codec": "mp2"},
}
NO_LENGTH = ("ts",)  # containers that do not say how long they are


def truncate(data: bytearray, draw: random.Random) -> bytes:
    return bytes(data[: draw.randrange(1, len(data))])


def flip(data: bytearray, draw: random.Random) -> bytes:
    for _ in range(draw.choice([1, 8, 64])):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(data)


def blank(data: bytearray, draw: random.Random) -> bytes:
    start, size = draw.randrange(len(data)), draw.choice([64, 800, 8000])
    data[start : start + size] = bytes(len(data[start : start + size]))
    return bytes(data)


def overwrite(data: bytearray, draw: random.Random) -> bytes:
    start, size = draw.randrange(len(data)), draw.choice([4, 64, 800])
    data[start : start + size] = draw.randbytes(len(data[start : start + size]))
    return bytes(data)


def cut_out(data: bytearray, draw: random.Random) -> bytes:
    start = draw.randrange(len(data))
    del data[start : start + draw.choice([1, 100, 5000])]
    return bytes(data)


def damage_header(data: bytearray, draw: random.Random) -> bytes:
    for _ in range(4):
        data[draw.randrange(min(len(data), 512))] = draw.randrange(256)
    return bytes(data)


DAMAGES = (truncate, flip, blank, overwrite, cut_out, damage_header)


def check(path: Path) -> dict:
    """Take a video through what reads media, and report."""
    info = probe(path)
    report = {"status": info.status, "reason": info.reason, "frames": info.frames}
    if info.status == "broken":
        return report
    line = read_timeline(path, 25.0)
    grid = line.frame_index[: 4 * FRAMES]
    rows = sum(len(chunk) for chunk in read_frames(path, grid, short_side=64))
    report["rows"] = [rows, len(grid)]
    if info.audio:
        try:
            report["sound"] = bool(np.isfinite(read_sound(path)).all())
        except MediaError as error:  # becomes the status of its stage
            report["no sound"] = str(error)
    return report


def check_all(paths: list[Path], out: Path) -> None:
    """In a process of its own, whose crash is seen: one line of JSON per video."""
    av.logging.set_level(av.logging.PANIC)
    with out.open("w", buffering=1) as file:
        for path in paths:
            try:
                report = check(path)
            except Exception as error:  # noqa: BLE001  what the test looks for
                report = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(report | {"path": path.name}), file=file)


def reports(paths: list[Path], out: Path) -> dict[str, dict]:
    process = multiprocessing.get_context("fork").Process(target=check_all, args=(paths, out))
    process.start()
    process.join(LIMIT)
    process.kill()
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    return {line["path"]: line for line in lines}


def test_fuzzed_videos_are_rows_with_the_truth(tmp_path, table, settings):
    draw, counts, problems = random.Random(SEED), Counter(), []
    tone = np.sin(np.arange(16000 * FRAMES // 25) / 16)[None] * 0.5
    for container, options in CONTAINERS.items():
        whole = write_clip(tmp_path / f"whole.{container}", FRAMES, sound=tone, **options)
        paths, damages = [], {}
        for number in range(VARIANTS):
            damage = DAMAGES[number % len(DAMAGES)]
            path = tmp_path / f"{number:02d}_{damage.__name__}.{container}"
            path.write_bytes(damage(bytearray(whole.read_bytes()), draw))
            paths.append(path)
            damages[path.name] = damage
        found = reports([whole, *paths], tmp_path / f"{container}.jsonl")
        assert found[whole.name]["frames"] == FRAMES, found[whole.name]
        for path in paths:
            counts["tried"] += 1
            report = found.get(path.name, {"error": "the process crashed or hung"})
            if "error" in report:
                counts["lost"] += 1
                problems.append((path.name, report["error"]))
                continue
            cut = damages[path.name] is truncate and report["frames"] < FRAMES
            announced = container not in NO_LENGTH or "announce" in report["reason"]
            said = report["status"] in ("partial", "broken") or report["reason"]
            rows, grid = report.get("rows", (0, 0))
            if (cut and announced and not said) or rows != grid or report.get("sound") is False:
                counts["silent"] += 1
                problems.append((path.name, report))
                continue
            counts["survived"] += 1
    table["fuzzed media"] = counts
    settings["fuzzed media"] = {"seed": SEED, "containers": list(CONTAINERS), "each": VARIANTS}
    assert not problems
