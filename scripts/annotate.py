"""Turn a dataset's own label files into annotations.json, the database that evaluation reads.

Every choice about a known trap of the dataset is written, with its count, to the report.

Examples:
  python scripts/annotate.py --dataset mine --settings '{"kind": "folder"}' \\
      --files clips/labels.csv clips/segments.csv --output results/mine/annotations.json \\
      --report results/mine/annotations_report.md
  python scripts/annotate.py --dataset ave --settings '{"kind": "ave"}' --files data/ave/*.txt \\
      data/ave/*.h5 --facts workflow/reference/datasets/ave.yaml --output annotations.json \\
      --report annotations_report.md
"""

import sys
from pathlib import Path

import yaml
from cli import json_argument, parser
from wstal.atomic import write_text
from wstal.data.annotations import write_annotations
from wstal.data.readers import read_dataset
from wstal.data.report import report_page
from wstal.errors import WstalError


def main() -> None:
    """Parse, read, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--dataset", required=True, help="the dataset's slug")
    arguments.add_argument("--settings", type=json_argument, required=True, help="its YAML as JSON")
    arguments.add_argument("--files", nargs="*", type=Path, default=[], help="its label files")
    arguments.add_argument("--facts", type=Path, help="YAML of what is published about it")
    arguments.add_argument("--output", type=Path, required=True, help="annotations.json")
    arguments.add_argument("--report", type=Path, required=True, help="annotations_report.md")
    args = arguments.parse_args()
    facts = yaml.safe_load(args.facts.read_text()) if args.facts else {}
    try:
        annotations, report = read_dataset(args.dataset, args.settings, args.files, facts)
    except WstalError as error:
        sys.exit(f"{error}")
    write_text(args.report, report_page(args.dataset, annotations, report, facts))
    write_annotations(args.output, annotations)
    counts = {subset: len(annotations.ids(subset)) for subset in ("train", "val", "test")}
    print(f"{args.dataset}: {len(annotations.classes)} classes, videos {counts}", file=sys.stderr)


if __name__ == "__main__":
    main()
