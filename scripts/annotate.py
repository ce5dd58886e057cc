"""Turn a dataset's own label files into annotations.json and the labels that training may read.

Examples:
  python scripts/annotate.py --dataset mine --settings '{"kind": "folder"}' \\
      --files clips/labels.csv clips/segments.csv \\
      --output results/mine/annotations.json --training results/mine/training_labels.json
"""

import sys
from pathlib import Path

from cli import json_argument, parser
from wstal.data.annotations import training_view, write_annotations
from wstal.data.folder import read_folder_annotations
from wstal.data.sources import how_to_get
from wstal.errors import WstalError


def main() -> None:
    """Parse, read, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--dataset", required=True, help="the dataset's slug")
    arguments.add_argument("--settings", type=json_argument, required=True, help="its YAML as JSON")
    arguments.add_argument("--files", nargs="*", type=Path, default=[], help="its label files")
    arguments.add_argument("--output", type=Path, required=True, help="annotations.json")
    arguments.add_argument("--training", type=Path, required=True, help="training_labels.json")
    args = arguments.parse_args()
    try:
        if args.settings["kind"] not in ("folder", "demo"):
            raise WstalError(how_to_get(args.dataset))
        annotations = read_folder_annotations(*args.files)
    except WstalError as error:
        sys.exit(f"{error}")
    write_annotations(args.training, training_view(annotations))
    write_annotations(args.output, annotations)
    counts = {subset: len(annotations.ids(subset)) for subset in ("train", "val", "test")}
    print(f"{args.dataset}: {len(annotations.classes)} classes, videos {counts}", file=sys.stderr)


if __name__ == "__main__":
    main()
