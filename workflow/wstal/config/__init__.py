"""The files in workflow/config, merged and checked, and the table of stages.

Read layers.py (how files are merged), check.py (how settings classes are checked), catalog.py
(everything that has a name), entry.py (where a dataset enters the DAG), stages.py (what each stage
is made of), why.py (what a dry run would do).

Imports only base, datasets and media.
"""
