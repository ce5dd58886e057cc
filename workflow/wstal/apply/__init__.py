"""A finished run or a recipe applied to new video files, by the stages of the DAG.

Read extraction.py (a file through the stages; `wstal extract`), run_folder.py (what the files of a
run say about it), localizer.py (`wstal localize`).

May import every room but commands.
"""
