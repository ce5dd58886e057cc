"""Join the results of two streams into those of a fused run.

Each of --rgb, --flow and --output is four files: scores.h5, proposals.json,
proposals_by_iteration.json.gz, proposals_constant_attention.json.

Examples:
  f="scores.h5 proposals.json proposals_by_iteration.json.gz proposals_constant_attention.json"
  python scripts/fuse.py --rgb $(printf 'acn-rgb/seed0/%s ' $f) \\
      --flow $(printf 'acn-flow/seed0/%s ' $f) --config @localize.json \\
      --output $(printf 'acn/seed0/%s ' $f)
"""

import argparse
from dataclasses import replace
from pathlib import Path

from wstal.commands.console import Add, Program, json_argument, log
from wstal.base.settings import from_plain
from wstal.evaluate.detections import read_detections, read_detections_by_iteration
from wstal.localize.proposals import summary, write_proposals, write_proposals_by_iteration
from wstal.localize.scores import read_scores, write_scores
from wstal.methods.acn.localize import LocalizeSettings, fuse_histories, fuse_proposals, fuse_scores


def add_arguments(add: Add) -> None:
    files = {"type": Path, "nargs": 4, "required": True}
    add("--rgb", help="files of the RGB stream's run", **files)
    add("--flow", help="files of the flow stream's run", **files)
    add("--config", type=json_argument, required=True, help="localize section")
    add("--output", help="outputs, in the same order", **files)


def main(args: argparse.Namespace) -> None:
    settings = from_plain(LocalizeSettings, args.config).fusion
    files = {"rgb": args.rgb[0], "flow": args.flow[0]}
    scores = fuse_scores({name: read_scores(path) for name, path in files.items()})
    runs = {name: path.absolute().parents[1].name for name, path in files.items()}
    scores = replace(scores, provenance={**scores.provenance, "runs": runs})
    for index in (1, 3):
        flow, rgb = (read_detections(paths[index]) for paths in (args.flow, args.rgb))
        found = fuse_proposals(flow, rgb, settings)
        write_proposals(args.output[index], found, scores, args.config)
        log(summary(scores, found))
    histories = (read_detections_by_iteration(paths[2]) for paths in (args.flow, args.rgb))
    fused = fuse_histories(*histories, settings)
    pairs = ((replace(scores, iteration=n), frame) for n, frame in fused.items())
    write_proposals_by_iteration(args.output[2], pairs, args.config)
    write_scores(args.output[0], scores)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
