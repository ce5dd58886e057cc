"""One folder per paper. Start with contract.py, which says what a method is.

In each folder read `__init__.py` (the paper), network.py, loss.py, localize.py, then what this
paper alone needs. A method imports nothing from another method. CONTRIBUTING.md shows how to add
one.

Imports only base, layers, losses, localize and plots.
"""
