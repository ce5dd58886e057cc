"""Paired bootstrap over videos: is run A better than run B? Writes compare_{a}_vs_{b}.csv.

It compares the last iterates, whose detections proposals.json holds; nothing is chosen on test.

Examples:
  python scripts/compare_runs.py --ground-truth results/demo/annotations.json --protocol demo \\
      --a co2net/seed?/proposals.json --b acn/seed?/proposals.json --names co2net acn \\
      --output compare_co2net_vs_acn.csv
"""

import sys
from pathlib import Path

from cli import track
from scoring import read_fitting, read_found, read_truth, scoring_parser
from wstal.atomic import atomic_path
from wstal.errors import WstalError
from wstal.evaluate.bootstrap import compare
from wstal.evaluate.protocols import prepare


def main() -> None:
    """Parse, resample, write."""
    arguments = scoring_parser(__doc__)
    add = arguments.add_argument
    add("--a", type=Path, nargs="+", required=True, help="proposals.json of A, one per seed")
    add("--b", type=Path, nargs="+", required=True, help="proposals.json of B")
    add("--names", nargs=2, default=("a", "b"), help="what to call them")
    add("--resamples", type=int, default=1000)
    add("--seed", type=int, default=0, help="of the draws")
    add("--note", default="")
    add("--output", type=Path, required=True)
    args = arguments.parse_args()
    try:
        protocol, (truth, usable) = read_fitting(args.protocol, args), read_truth(args)
        runs = [
            [prepare(truth, read_found(truth, protocol, path), protocol, usable) for path in paths]
            for paths in (args.a, args.b)
        ]
        table = compare(
            *runs,
            protocol,
            names=args.names,
            resamples=args.resamples,
            seed=args.seed,
            note=args.note,
            track=track("bootstrap", "seed"),
        )
    except WstalError as error:
        sys.exit(str(error))
    with atomic_path(args.output) as temporary:
        table.to_csv(temporary, index=False)


if __name__ == "__main__":
    main()
