"""`wstal ledger` as a job: the same arguments and the same help.

Examples:
  python scripts/ledger.py --help
"""

from wstal.commands.ledger import COMMAND

if __name__ == "__main__":
    COMMAND.run()
