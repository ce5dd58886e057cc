"""The videos of a dataset, and the labels that training may read: no segment is in either file.

Own videos need their labels.csv alone, so that nothing here changes with their segments.

Examples:
  python scripts/list_videos.py --dataset mine --settings '{"kind": "folder"}' \\
      --files clips/labels.csv --videos results/mine/videos.json \\
      --training results/mine/training_labels.json
"""

from pathlib import Path

from labelling import label_parser, read_labels
from wstal.datasets.annotations import training_view, videos_view, write_annotations


def main() -> None:
    """Parse, read, write."""
    arguments = label_parser(__doc__)
    arguments.add_argument("--videos", type=Path, required=True, help="output: videos.json")
    arguments.add_argument("--training", type=Path, required=True, help="training_labels.json")
    args = arguments.parse_args()
    annotations, _, _ = read_labels(args)
    write_annotations(args.training, training_view(annotations))
    write_annotations(args.videos, videos_view(annotations))


if __name__ == "__main__":
    main()
