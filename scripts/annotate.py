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

from labelling import label_parser, read_labels
from wstal.base.files import write_text
from wstal.datasets.annotations import write_annotations
from wstal.datasets.report import report_page


def main() -> None:
    """Parse, read, write."""
    arguments = label_parser(__doc__)
    arguments.add_argument("--output", type=Path, required=True, help="annotations.json")
    arguments.add_argument("--report", type=Path, required=True, help="annotations_report.md")
    args = arguments.parse_args()
    annotations, report, facts = read_labels(args)
    write_text(args.report, report_page(args.dataset, annotations, report, facts))
    write_annotations(args.output, annotations)
    counts = {subset: len(annotations.ids(subset)) for subset in ("train", "val", "test")}
    told = [f"{len(annotations.classes)} classes, videos {counts}", *report.notes]
    print(*(f"{args.dataset}: {line}" for line in told), sep="\n", file=sys.stderr)


if __name__ == "__main__":
    main()
