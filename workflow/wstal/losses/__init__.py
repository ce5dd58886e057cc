"""Losses that more than one method uses; a loss of a single paper is in its own folder.

Read mil.py (classification of a video by its strongest snippets), coactivity.py (videos of one
class look alike where it is active), opposite.py (attention opposes background), weighted.py (the
sum of named terms).

Imports no other room.
"""
