"""What the jobs of stages share: their settings, their progress and their manifest."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wstal.commands.console import track, within
from wstal.base.array_store import write_shard
from wstal.base.memory import limit_memory
from wstal.base.settings import from_plain
from wstal.base.stage import Job, Stage


def run_stage(
    args: argparse.Namespace, stage: Stage, shards: Mapping[str, Path], **options: Any
) -> None:
    """Run `stage` on the manifests `shards`, and write the manifest of its own files.

    `args` has those of `add_shard`; `options` are those of `Job`.
    """
    if options.get("device", "cpu") == "cpu":  # CUDA reserves addresses far beyond what it takes
        limit_memory()
    progress = {"track": track(stage.name), "within": within(stage.name)}
    job = Job(args.code, args.output.parent, **progress, **options)
    records = stage.shard(shards, from_plain(stage.settings, args.recipe), job)
    write_shard(args.output, records)
