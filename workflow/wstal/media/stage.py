"""What the stages `frames` and `audio` have in common: they decode the videos of a probe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
import cv2
import soxr

from wstal.base.array_store import Record
from wstal.base.files import path_from, read_table
from wstal.base.settings import to_plain
from wstal.base.stage import Job, Stage, StageInput


class DecodingStage(Stage):
    """A stage that works on the videos of a probe."""

    inputs = ("probe",)

    def read(self, shards: Mapping[str, Path]) -> tuple[list[StageInput], list[Record]]:
        """Read the rows of a probe; a video's file is its `video`, its source the file's sha256.

        It is not in `wstal.media.probe`, because the digest of these stages, and with it every
        feature's key, must not depend on how labels are read and files are found.
        """
        videos, passed = [], []
        for row in read_table(shards["probe"], ("id", "path", "sha256", "status", "reason")):
            record = Record(row["id"], row["status"], 0, "", "", "", row["reason"])
            files = {"video": path_from(row["path"])}
            video = StageInput(row["id"], row["status"], row["reason"], row["sha256"], files)
            if record.usable:
                videos.append(video)
            else:
                passed.append(record)
        return videos, passed

    def provenance(self, settings: Any, job: Job) -> dict[str, Any]:
        """Return the settings, the code and the versions of the decoders."""
        versions = {
            "av": av.__version__,
            "ffmpeg": ".".join(map(str, av.library_versions["libavcodec"])),
            "opencv": cv2.__version__,
            "soxr": soxr.__version__,
        }
        about = {"stage": self.name, "recipe": to_plain(settings), "code": job.code}
        return about | {"versions": versions}
