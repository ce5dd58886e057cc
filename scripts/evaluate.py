"""`wstal evaluate` as a job: the same arguments and the same help.

Examples:
  python scripts/evaluate.py --help
"""

from wstal.commands.evaluate import COMMAND

if __name__ == "__main__":
    COMMAND.run()
