"""The tables of the papers and the comparison of methods.

Read settings.py (a table as its YAML states it), paper.py (paper, ours, difference), methods.py
(all methods on one dataset).

Imports only base.
"""
