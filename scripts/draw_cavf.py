"""Draw the diagram of CAVF's figure 1 from its config.

Examples:
  snakemake --cores 1 results/figures/cavf_figure1.svg
  python scripts/draw_cavf.py --config @config.json --output docs/figures/cavf_figure1.svg
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, json_argument
from wstal.base.settings import from_plain
from wstal.methods.cavf.figures import architecture
from wstal.methods.cavf.loss import TRAINING, LossSettings
from wstal.plots.style import save


def add_arguments(add: Add) -> None:
    add("--config", type=json_argument, required=True, help="resolved run config, JSON or @file")
    add("--output", type=Path, nargs="+", required=True, help="SVG, PNG, ...")


def main(args: argparse.Namespace) -> None:
    run = TRAINING.read_run(args.config)
    for path in args.output:
        save(architecture(run, from_plain(LossSettings, args.config["loss"])), path)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
