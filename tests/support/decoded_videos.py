"""Videos of a probe, and the decoding stages run on them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from wstal.base.array_store import Record, write_shard
from wstal.base.files import stored_path, write_csv
from wstal.base.stage import Job, Stage
from wstal.media.frame_stage import FrameSettings, FrameStage
from wstal.media.sound import AudioSettings, AudioStage


class Probed(NamedTuple):
    """A row of a probe."""

    id: str
    path: Path
    sha256: str = "0" * 64
    status: str = "ok"
    reason: str = ""


def write_probe(path: Path, videos: list[Probed]) -> Path:
    """Write the rows as a probe does and return its path."""
    rows = [video._asdict() | {"path": stored_path(video.path)} for video in videos]
    write_csv(path, Probed._fields, rows)
    return path


def decode_frames(
    videos: list[Probed], folder: Path, settings: FrameSettings, code: str = "code"
) -> list[Record]:
    """Run the stage `frames`; its manifest is `folder`/shard0.csv."""
    return _decode(FrameStage(), videos, folder, settings, code)


def decode_audio(
    videos: list[Probed], folder: Path, settings: AudioSettings, code: str = "code"
) -> list[Record]:
    """Run the stage `audio`; its manifest is `folder`/shard0.csv."""
    return _decode(AudioStage(), videos, folder, settings, code)


def _decode(
    stage: Stage, videos: list[Probed], folder: Path, settings: object, code: str
) -> list[Record]:
    probe = write_probe(folder.with_name(f"{folder.name}_probe.csv"), videos)
    records = stage.shard({"probe": probe}, settings, Job(code, folder))
    write_shard(folder / "shard0.csv", records)
    return records
