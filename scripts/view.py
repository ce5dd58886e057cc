"""`wstal view` as a job: the same arguments and the same help.

Examples:
  python scripts/view.py --help
"""

from wstal.commands.view import COMMAND

if __name__ == "__main__":
    COMMAND.run()
