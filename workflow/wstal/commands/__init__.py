"""What people type: `wstal COMMAND`, one file per command (`wstal --help` lists them).

Read console.py first: the frame that every command, and every job in scripts/, shares. A command
parses its arguments, calls the library and prints; everything that needs a test of its own is in
the library. new_videos.py, scored_files.py and snakemake_words.py are shared by several commands.

May import every room.
"""
