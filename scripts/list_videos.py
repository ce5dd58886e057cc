"""The videos of a dataset, and the labels that training may read: no segment is in either file.

Own videos need their labels.csv alone, so that nothing here changes with their segments.

Examples:
  python scripts/list_videos.py --dataset mine --settings '{"kind": "folder"}' \\
      --files clips/labels.csv --videos results/mine/videos.json \\
      --training results/mine/training_labels.json
"""

import argparse
from pathlib import Path

import yaml
from wstal.commands.console import Add, Program, add_labels
from wstal.datasets.annotations import training_view, videos_view, write_annotations
from wstal.datasets.kinds import read_dataset


def add_arguments(add: Add) -> None:
    add_labels(add)
    add("--videos", type=Path, required=True, help="output: videos.json")
    add("--training", type=Path, required=True, help="training_labels.json")


def main(args: argparse.Namespace) -> None:
    facts = yaml.safe_load(args.facts.read_text()) if args.facts else {}
    annotations, _ = read_dataset(args.dataset, args.settings, args.files, facts)
    write_annotations(args.training, training_view(annotations))
    write_annotations(args.videos, videos_view(annotations))


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
