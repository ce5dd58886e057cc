"""The videos of a dataset, and the labels that training may read: no segment is in either file.

Own videos need their labels.csv alone, so that nothing here changes with their segments.

Examples:
  python scripts/list_videos.py --dataset mine --settings '{"kind": "folder"}' \\
      --files clips/labels.csv --videos results/mine/videos.json \\
      --training results/mine/training_labels.json
"""

import sys
from pathlib import Path

import yaml
from cli import json_argument, parser
from wstal.data.annotations import training_view, videos_view, write_annotations
from wstal.data.readers import read_dataset
from wstal.errors import WstalError


def main() -> None:
    """Parse, read, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--dataset", required=True, help="the dataset's slug")
    arguments.add_argument("--settings", type=json_argument, required=True, help="its YAML as JSON")
    arguments.add_argument("--files", nargs="*", type=Path, default=[], help="its label files")
    arguments.add_argument("--facts", type=Path, help="YAML of what is published about it")
    arguments.add_argument("--videos", type=Path, required=True, help="output: videos.json")
    arguments.add_argument("--training", type=Path, required=True, help="training_labels.json")
    args = arguments.parse_args()
    facts = yaml.safe_load(args.facts.read_text()) if args.facts else {}
    try:
        annotations, _ = read_dataset(args.dataset, args.settings, args.files, facts)
    except WstalError as error:
        sys.exit(f"{error}")
    write_annotations(args.training, training_view(annotations))
    write_annotations(args.videos, videos_view(annotations))


if __name__ == "__main__":
    main()
