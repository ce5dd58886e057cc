"""Find the actions in new video files with a finished run.

Each video goes through the stages of the DAG, from probe to localization. Beside the table that
is printed, FOLDER gets {video}.json (ActivityNet's format: seconds, and what made them) and a
picture. FOLDER/cache keeps what a stage made: another run computes only what lacks.

Examples:
  python scripts/localize_video.py my.mp4 --run results/thumos14/i3d_tvl1/co2net/seed0
  python scripts/localize_video.py clips/*.mp4 --run results/demo/demo_i3d/acn/seed0 \\
      --output found --min-score 0.5 --picture png --subtitles
"""

import sys
from pathlib import Path

from new_videos import ROOT, read_catalog, stage_options, stopped, video_parser
from wstal.apply.features import video_ids
from wstal.apply.localizer import Localizer, attempts
from wstal.apply.results import save_localization, segment_lines
from wstal.base.device import lease
from wstal.base.errors import WstalError


def main() -> None:
    """Parse, localize each video, write and print; exit with 1 if one of them failed."""
    arguments = video_parser(__doc__, "localized")
    add = arguments.add_argument
    add("--run", type=Path, required=True, help="folder of one seed of a finished run")
    add("--top", type=int, default=10, help="segments of a video to print (default 10)")
    add("--min-score", type=float, help="leave out all segments of a lower score")
    add("--picture", choices=("svg", "png", "none"), default="svg", help="default: svg")
    add("--subtitles", action="store_true", help="{video}.srt too: segments for any player")
    args = arguments.parse_args()
    options, failures = stage_options(args), []
    try:
        catalog = read_catalog(args)
        with lease(args.device) as device:
            localizer = Localizer(args.run, catalog, ROOT, args.output / "cache", device, **options)
            print("".join(f"warning: {n}\n" for n in localizer.notes), end="", file=sys.stderr)
            for found in attempts(localizer, video_ids(args.videos), failures):
                found = found.at_least(args.min_score)
                save_localization(found, args.output, args.picture, args.subtitles)
                print(*segment_lines(found, args.top), sep="\n", flush=True)
    except (WstalError, OSError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(stopped(args))
    sys.exit("\n".join(failures) if failures else 0)


if __name__ == "__main__":
    main()
