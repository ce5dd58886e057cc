"""Find, hash and verify the videos of one shard: a row per annotated id, whatever its state.

Every video is decoded once from end to end, so that what the row says is measured. A file that
is absent, broken or cut short is a row with a status and a reason.

Examples:
  python scripts/probe_videos.py --annotations results/demo/videos.json \\
      --videos results/demo/videos --shard 0 --shards 4 --output results/demo/manifest/shard0.csv
"""

import argparse
from pathlib import Path

import wstal
from wstal.commands.console import Add, Program, track
from wstal.base.code_digest import code_digest
from wstal.base.files import write_csv
from wstal.base.memory import limit_memory
from wstal.datasets.annotations import read_annotations
from wstal.datasets.folder import read_csv_names, read_folder_annotations
from wstal.media.find import shard_of
from wstal.media.probe import COLUMNS, probe_videos


def add_arguments(add: Add) -> None:
    add("--annotations", type=Path, required=True, help="videos.json, or an own labels.csv")
    add("--videos", type=Path, required=True, help="folder searched, with all below it")
    add("--shard", type=int, default=0, help="which shard (default 0)")
    add("--shards", type=int, default=1, help="of how many (default 1)")
    add("--output", type=Path, required=True, help="output: CSV; earlier rows in cache/ beside it")


def main(args: argparse.Namespace) -> None:
    limit_memory()
    own = args.annotations.suffix == ".csv"
    read = read_folder_annotations if own else read_annotations
    database = read(args.annotations).database
    files = {v: e.get("file", v) for v, e in database.items() if not e.get("features_only")}
    rows = probe_videos(
        [video for video, name in files.items() if shard_of(name, args.shards) == args.shard],
        args.videos,
        cache=args.output.parent / "cache",
        code=code_digest(__file__, Path(wstal.__file__).parent),
        files=read_csv_names(args.annotations) if own else files,
        root=Path.cwd(),
        track=track("probe"),
    )
    write_csv(args.output, COLUMNS, rows)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main, isolated=True).run()
