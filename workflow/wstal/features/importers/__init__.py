"""Published features: one reader per layout of files, and the conversion into features.h5.

Read published.py (what a reader returns), layouts.py (which reader an import uses), the readers
per_video.py, joint.py and autoloc.py, then conversion.py.
"""
