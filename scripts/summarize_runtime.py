"""Print time and peak memory per stage, as measured while the stages last ran.

Examples:
  python scripts/summarize_runtime.py --benchmarks results/benchmarks/demo
  python scripts/summarize_runtime.py --benchmarks results/benchmarks --output runtime.csv
"""

from pathlib import Path

from cli import parser
from wstal.base.files import write_frame
from wstal.base.runtime import stage_costs


def main() -> None:
    """Parse, sum up, print or write."""
    arguments = parser(__doc__)
    arguments.add_argument("--benchmarks", type=Path, required=True, help="folder of .tsv files")
    arguments.add_argument("--output", type=Path, help="write CSV there as well")
    args = arguments.parse_args()
    table = stage_costs(args.benchmarks)
    if args.output:
        write_frame(args.output, table)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
