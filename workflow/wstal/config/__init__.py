"""The files in workflow/config, merged and checked, and the table of stages.

Read layers.py (files that hold several things, and changes laid over them), check.py (how settings
classes are checked), validation.py (recipes, and what is checked beyond single settings),
catalog.py (everything that has a name), protocols.py (a protocol by its name), stages.py (what each
stage is made of). For the DAG: dataset_files.py (where a dataset's own files are), inputs.py and
params.py (the files and the parameters of jobs), targets.py (what can be asked for). Importing the
catalog and the stages imports neither torch nor pydantic: Snakemake reads them for every command
and every job.

May import every room but apply and commands, to read their settings classes.
"""
