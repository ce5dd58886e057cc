"""`wstal diagnose` as a job: the same arguments and the same help.

Examples:
  python scripts/diagnose.py --help
"""

from wstal.commands.diagnose import COMMAND

if __name__ == "__main__":
    COMMAND.run()
