"""Verify the public weights: do they give, through this code, what their publishers got?

Checks whatever weights lie in the folder (`python scripts/fetch_weights.py` gets them) and says
pass, fail or skip for each, with the figures. The inputs and expected values are fetched by
commit and hash, or taken from a folder that holds them, at any depth. Ends with 1 if a check
fails, with 2 if none could be made.

Examples:
  python scripts/verify_weights.py
  python scripts/verify_weights.py --from /data/reference --weights results/weights
"""

import argparse
from functools import partial
from pathlib import Path

from wstal.commands.console import Add, Program, byte_bar
from wstal.config.layers import read_yaml
from wstal.features.verify import FAIL, PASS, GoldenFiles, weight_checks, weights_in
from wstal.networks.weights import read_sources

REFERENCE = Path(__file__).resolve().parent.parent / "workflow/reference/weights"


def add_arguments(add: Add) -> None:
    add("--from", dest="folder", type=Path, help="folder with the golden files; no download then")
    add("--weights", type=Path, default=Path("results/weights"), help="folder with the weights")
    add("--sources", type=Path, default=REFERENCE / "sources.yaml")
    add("--golden", type=Path, default=REFERENCE / "golden.yaml", help="what is expected")


def main(args: argparse.Namespace) -> int:
    statuses = []
    golden = read_yaml(args.golden)
    files = GoldenFiles(golden, args.weights / "golden", args.folder, byte_bar)
    weights = partial(weights_in, args.weights, read_sources(args.sources))
    for check in weight_checks(golden, files, weights):
        statuses.append(check.status)
        print(f"{check.status:4}  {check.name}: {check.detail}", flush=True)
    passed, failed = statuses.count(PASS), statuses.count(FAIL)
    print(f"{passed} passed, {failed} failed, {len(statuses) - passed - failed} skipped")
    return 1 if failed else 0 if passed else 2


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
