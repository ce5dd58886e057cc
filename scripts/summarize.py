"""Mean, standard deviation and n over seeds, in every reading, baselines below: _map.csv.

Examples:
  python scripts/summarize.py --seeds seed0/map.csv seed1/map.csv --baselines baselines.csv \\
      --dataset demo --recipe demo_i3d --run co2net --protocol demo \\
      --paper-checkpoint best_test --note "demo data" --output co2net_map.csv
"""

import argparse
from pathlib import Path
from typing import get_args

from wstal.commands.console import Add, Program, add_protocol
from wstal.base.files import read_frame, write_frame
from wstal.base.provenance import write_provenance
from wstal.config.protocols import read_protocol
from wstal.evaluate.baselines import BASELINE_COLUMNS
from wstal.evaluate.map_table import COLUMNS
from wstal.evaluate.protocols import Checkpoint
from wstal.evaluate.summary import summarize, weights_note


def add_arguments(add: Add) -> None:
    add("--seeds", type=Path, nargs="+", required=True, help="map.csv of each seed")
    add("--baselines", type=Path, help="baselines.csv")
    add("--features", type=Path, help="features.h5: says if weights were untrained")
    add("--dataset", required=True)
    add("--recipe", required=True)
    add("--run", required=True)
    add_protocol(add)
    add("--paper-protocol", help="that a paper scored by (default: no such reading)")
    add("--paper-checkpoint", choices=get_args(Checkpoint), default="last", help="of that reading")
    add("--note", default="", help="stands beside every number, for example: demo data")
    add("--code", default="", help="code digest, recorded")
    add("--output", type=Path, required=True)


def main(args: argparse.Namespace) -> None:
    notes = [args.note, weights_note(args.features) if args.features else ""]
    table = summarize(
        [read_frame(path, COLUMNS) for path in args.seeds],
        read_frame(args.baselines, BASELINE_COLUMNS) if args.baselines else None,
        dataset=args.dataset,
        recipe=args.recipe,
        run=args.run,
        protocol=read_protocol(args.protocol),
        paper=read_protocol(args.paper_protocol) if args.paper_protocol else None,
        paper_checkpoint=args.paper_checkpoint,
        note="; ".join(note for note in notes if note),
    )
    write_frame(args.output, table)
    inputs = {"seeds": args.seeds, "baselines": [args.baselines], "features": [args.features]}
    write_provenance(args.output, args.code, inputs, note=args.note)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
