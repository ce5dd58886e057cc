"""`wstal compare` as a job: the same arguments and the same help.

Examples:
  python scripts/compare_runs.py --help
"""

from wstal.commands.compare import COMMAND

if __name__ == "__main__":
    COMMAND.run()
