"""Losses that more than one method uses; a loss of a single paper is in its own folder.

Read mil.py (classification of a video by its strongest snippets, attention opposed to background)
and coactivity.py (videos of one class look alike where it is active).

Imports no other room.
"""
