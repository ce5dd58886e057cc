"""What people type: `wstal COMMAND`, one file per command (`wstal --help` lists them).

Read console.py first: the frame that every command, and every job in scripts/, shares. A command
parses its arguments, calls the library and prints. extract.py, run.py and scored_files.py have
what several commands share.

May import every room.
"""
