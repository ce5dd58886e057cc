"""Count a trained run's multiply-accumulates per snippet (millions), as rows for the tables.

Products with weights make the number; what attention between snippets adds to it depends on the
length of a video and stands in the note.

Examples:
  snakemake --cores 2 results/demo/cavf_macs.csv
"""

import argparse
from pathlib import Path

import torch
from wstal.commands.console import Add, Program
from wstal.base.files import write_csv
from wstal.evaluate.protocols import READINGS
from wstal.evaluate.summary import COLUMNS
from wstal.train import checkpoint
from wstal.train.loop import run_config
from wstal.train.scoring import count_macs, load_network


def add_arguments(add: Add) -> None:
    add("--checkpoint", type=Path, required=True)
    for name in ("dataset", "recipe", "run"):
        add(f"--{name}", required=True)
    add("--length", type=int, default=160, help="snippets of the note's video")
    add("--output", type=Path, required=True)


def main(args: argparse.Namespace) -> None:
    content = checkpoint.load(args.checkpoint)
    config = run_config(content["config"])
    network = load_network(content, config, torch.device("cpu"))
    # A network that reads a fixed number of snippets is counted on a video of so many.
    length = config.method.snippets_scored(config.run) or args.length
    found = count_macs(network, sum(content["dims"].values()), length)
    note = "counted from the model"
    if found.total > found.layers:
        note += f"; {found.total / 1e6:.2f}M with attention over {length} snippets"
    about = {key: getattr(args, key) for key in ("dataset", "recipe", "run")}
    row = {**about, "metric": "mmacs", "mean": round(found.layers / 1e6, 6), "n": 1, "note": note}
    rows = [{**row, "reading": reading} for reading in READINGS]  # the cost is the same in all
    write_csv(args.output, COLUMNS, rows)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
