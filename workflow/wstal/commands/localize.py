"""Find the actions in new video files with a finished run.

Each video goes through the stages of the DAG, from probe to localization. The segments are
printed as a table, and FOLDER gets {video}.json (ActivityNet's format: seconds, and provenance)
and a picture. FOLDER/cache keeps the results of each stage: another run computes only what is
missing.

If the run has a calibration.json, each segment has a probability that it is right, P(right), and
the probability that its class is in the video, and --min-score refers to the first. Make it with
`wstal run results/SET/RECIPE/RUN/seed0/calibration.json`.

Examples:
  wstal localize my.mp4 --run results/thumos14/i3d_tvl1/co2net/seed0
  wstal localize clips/*.mp4 --run results/demo/demo_i3d/acn/seed0 --output found \\
      --min-score 0.5 --picture png --subtitles
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, warn
from wstal.apply.extraction import video_ids
from wstal.apply.localizer import Localizer, localize_each, save_localization, segment_lines
from wstal.base.device import lease
from wstal.commands.extract import add_videos, stage_options, stopped
from wstal.config.catalog import own_catalog
from wstal.config.installation import ROOT


def add_arguments(add: Add) -> None:
    add_videos(add, output="localized")
    add("--run", type=Path, required=True, help="folder of one seed of a finished run")
    add("--top", type=int, default=10, help="segments of a video to print (default 10)")
    add("--min-score", type=float, help="leave out segments of a lower P(right), else score")
    add("--picture", choices=("svg", "png", "none"), default="svg", help="default: svg")
    add("--subtitles", action="store_true", help="{video}.srt too: segments for any player")


def localize(args: argparse.Namespace) -> int | str:
    """Localize each video, write and print; the exit status is 1 if one of them failed."""
    options, failures = stage_options(args), []
    catalog = own_catalog(args.configfile)
    with lease(args.device) as device:
        localizer = Localizer(args.run, catalog, ROOT, args.output / "cache", device, **options)
        for each in localizer.notes:
            warn(each)
        for found in localize_each(localizer, video_ids(args.videos), failures):
            found = found.at_least(args.min_score)
            save_localization(found, args.output, args.picture, args.subtitles)
            print(*segment_lines(found, args.top), sep="\n", flush=True)
    return "\n".join(failures) if failures else 0


COMMAND = Program(__doc__, add_arguments, localize, stopped=stopped)
