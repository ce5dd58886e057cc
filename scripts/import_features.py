"""Turn published features into features.h5, with coverage and a manifest of the videos.

Without the files it says what to place where. Files that hold programs are refused unread.

Examples:
  python scripts/import_features.py --dataset thumos14 --recipe-name wtalc_i3d \\
      --recipe '{"import": {"layout": "wtalc"}}' --folder data/thumos14/features \\
      --annotations results/thumos14/videos.json \\
      --labels data/thumos14/annotations/videoname.npy --features features.h5 \\
      --coverage coverage.csv --missing missing.csv --manifest manifest.csv
"""

import argparse
from pathlib import Path

from wstal.commands.console import Add, Program, json_argument, log, track
from wstal.base.files import write_csv
from wstal.base.settings import from_plain
from wstal.datasets.annotations import read_annotations
from wstal.features.importers.conversion import convert_features
from wstal.features.importers.layouts import find_features
from wstal.features.importers.published import ImportSettings
from wstal.features.pack import COVERAGE
from wstal.media.manifest import COLUMNS


def add_arguments(add: Add) -> None:
    add("--dataset", required=True, help="the dataset's slug")
    add("--recipe-name", required=True)
    add("--recipe", type=json_argument, required=True, help="a recipe with `import`, as JSON")
    add("--folder", type=Path, required=True, help="where the published files are")
    add("--annotations", type=Path, required=True, help="videos.json")
    add("--labels", type=Path, nargs="*", default=[], help="label files; videoname.npy is used")
    add("--max-missing", type=json_argument, default=None)
    add("--features", type=Path, required=True, help="output: features.h5")
    add("--coverage", type=Path, required=True, help="output: every video and its rows")
    add("--missing", type=Path, required=True, help="output: videos without features")
    add("--manifest", type=Path, required=True, help="output: manifest.csv")


def main(args: argparse.Namespace) -> None:
    settings = from_plain(ImportSettings, args.recipe.get("import") or {}, "import")
    annotations = read_annotations(args.annotations)
    found = find_features(args.folder, settings, annotations, args.labels)
    done = convert_features(
        args.features,
        found,
        annotations,
        settings,
        dtype=args.recipe.get("dtype", "float32"),
        dataset=args.dataset,
        recipe=args.recipe_name,
        max_missing=args.max_missing,
        track=track("import"),
    )
    write_csv(args.manifest, COLUMNS, done.manifest)
    write_csv(args.missing, COVERAGE, [row for row in done.coverage if not row["rows"]])
    write_csv(args.coverage, COVERAGE, done.coverage)
    kept = sum(row["rows"] > 0 for row in done.coverage)
    done.notes.append(f"{args.dataset}: {kept} of {len(done.coverage)} videos imported")
    log("\n".join(done.notes))


if __name__ == "__main__":
    Program(__doc__, add_arguments, main).run()
