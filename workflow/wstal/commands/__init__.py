"""What people type: `wstal COMMAND`, one file a command (`wstal --help` lists them).

A command parses, calls the library and prints; whatever is worth a test of its own lies in the
library. `console` is what every command, and every job in scripts/, shares: the frame of a
program, arguments and progress. The commands may import every other room.
"""
