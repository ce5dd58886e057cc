"""Draw the diagrams of ACN's figures 1 and 2 from its config and its model.

Examples:
  snakemake --cores 1 results/figures/acn_figure1.svg
  python scripts/draw_acn.py --configs @configs.json --folder docs/figures
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, json_argument
from wstal.base.settings import from_plain
from wstal.methods.acn.figures import regression_figure, system_overview
from wstal.methods.acn.localize import LocalizeSettings
from wstal.methods.acn.loss import TRAINING, LossSettings
from wstal.plots.style import save


def add_arguments(add: Add) -> None:
    about = "JSON list of two resolved configs: the joined run's and its flow run's"
    add("--configs", type=json_argument, required=True, help=about)
    add("--width", type=int, default=1024, help="of the features")
    add("--formats", nargs="+", default=["svg"], help="svg, png, ...")
    add("--folder", type=Path, required=True, help="output: acn_figure*.svg")


def main(args: argparse.Namespace) -> None:
    fused, stream = args.configs
    network = TRAINING.build(TRAINING.read_run(stream), {"flow": args.width}, 1)
    run, loss = TRAINING.read_run(fused), from_plain(LossSettings, fused["loss"])
    localize = from_plain(LocalizeSettings, fused["localize"])
    args.folder.mkdir(parents=True, exist_ok=True)
    for kind in args.formats:
        save(system_overview(run, loss, localize), args.folder / f"acn_figure1.{kind}")
        save(regression_figure(network), args.folder / f"acn_figure2.{kind}")


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
