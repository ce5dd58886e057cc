"""Label files to `annotations.json`: one database format for every dataset.

Read annotations.py (the database), kinds.py (what a dataset's YAML may say, which reader it uses
and which choices it has), then one dataset: thumos14.py, activitynet.py (both read
published_sets.py), ave.py, or folder.py for your own data
(label_check.py finds slips in it). report.py counts the entries that each
choice concerns, fetching.py downloads the published files.

Imports only base.
"""
