"""Published features: one reader per layout of files, and the conversion into features.h5.

Read published.py (what a reader returns), layouts.py (which reader an import uses, and the
readers), autoloc.py (the reader of AutoLoc's files), then conversion.py.
"""
