"""The tables of the papers (paper.py) and the comparison of methods (methods.py).

Imports only base.
"""
