"""Turn a dataset's own label files into annotations.json, the database that evaluation reads.

Every choice about a known trap of the dataset is written, with its count, to the report. With the
folder of own videos, it also has what `wstal labels check` finds in the files, without decoding.

Examples:
  python scripts/annotate.py --dataset mine --settings '{"kind": "folder"}' \\
      --files clips/labels.csv clips/segments.csv --videos clips \\
      --output results/mine/annotations.json --report results/mine/annotations_report.md
  python scripts/annotate.py --dataset ave --settings '{"kind": "ave"}' --files data/ave/*.txt \\
      data/ave/*.h5 --facts workflow/reference/datasets/ave.yaml --output annotations.json \\
      --report annotations_report.md
"""

import argparse
from pathlib import Path

import yaml
from wstal.commands.console import Add, Program, add_labels, log
from wstal.base.files import write_text
from wstal.datasets.annotations import write_annotations
from wstal.datasets.kinds import read_dataset
from wstal.datasets.report import report_page
from wstal.media.file_check import check_files
from wstal.media.find import videos_below


def add_arguments(add: Add) -> None:
    add_labels(add)
    add("--videos", type=Path, help="folder of the videos; read for kind folder alone")
    add("--output", type=Path, required=True, help="annotations.json")
    add("--report", type=Path, required=True, help="annotations_report.md")


def main(args: argparse.Namespace) -> None:
    facts = yaml.safe_load(args.facts.read_text()) if args.facts else {}
    annotations, report = read_dataset(args.dataset, args.settings, args.files, facts)
    # Published features or proposals of own data need no videos.
    if args.settings["kind"] == "folder" and args.videos and any(videos_below(args.videos)):
        report.notes += check_files(args.videos, annotations, *args.files).warnings
    write_text(args.report, report_page(args.dataset, annotations, report, facts))
    write_annotations(args.output, annotations)
    counts = {subset: len(annotations.ids(subset)) for subset in ("train", "val", "test")}
    for line in (f"{len(annotations.classes)} classes, videos {counts}", *report.notes):
        log(f"{args.dataset}: {line}")


if __name__ == "__main__":
    Program(__doc__, add_arguments, main, isolated=True).run()
