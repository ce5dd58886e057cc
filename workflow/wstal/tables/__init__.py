"""The tables of the papers and the comparison of methods.

Read paper.py: paper, ours, difference; all methods on one dataset; a table as its YAML states it.

Imports only base.
"""
