"""Score what took no learning: random and whole-video proposals; write baselines.csv.

Examples:
  python scripts/baselines.py --ground-truth results/demo/annotations.json \\
      --manifest results/demo/manifest.csv --coverage results/demo/demo_i3d/coverage.csv \\
      --protocol demo --output baselines.csv
"""

import sys
from pathlib import Path

from cli import track
from scoring import features_grid, read_truth, scoring_parser, tell
from wstal.base.errors import WstalError
from wstal.base.files import write_frame
from wstal.evaluate.baselines import baseline_rows
from wstal.evaluate.ground_truth import beyond, read_durations
from wstal.evaluate.protocols import fitting_protocol


def main() -> None:
    """Parse, draw, score, write."""
    arguments = scoring_parser(__doc__)
    arguments.add_argument("--manifest", type=Path, help="durations, where annotations have none")
    arguments.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    arguments.add_argument("--output", type=Path, required=True)
    args = arguments.parse_args()
    try:
        truth, usable = read_truth(args)
        durations = read_durations(args.manifest) if args.manifest else {}
        if late := beyond(truth.frame, durations):
            tell(late)
        table = baseline_rows(
            truth,
            fitting_protocol(args.protocol, features_grid(args)),
            usable,
            durations,
            args.seeds,
            track("baselines", "evaluation"),
        )
    except WstalError as error:
        sys.exit(str(error))
    write_frame(args.output, table)


if __name__ == "__main__":
    main()
