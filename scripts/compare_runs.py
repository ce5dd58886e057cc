"""Compare two runs by a paired bootstrap over videos: `wstal compare` on files.

Writes compare_{a}_vs_{b}.csv: is run A better than run B? The last iterates are compared
(proposals.json; of events scores.h5), or the best on validation if the files by iteration are given
and validation videos are annotated. Nothing is chosen on test.

Examples:
  python scripts/compare_runs.py --ground-truth results/demo/annotations.json --protocol demo \\
      --a co2net/seed?/proposals.json --b acn/seed?/proposals.json --names co2net acn \\
      --output compare_co2net_vs_acn.csv
"""

from wstal.commands.console import Program
from wstal.commands.compared_files import add_compared as add_arguments
from wstal.commands.compared_files import compare_files

if __name__ == "__main__":
    Program(__doc__, add_arguments, compare_files).run()
