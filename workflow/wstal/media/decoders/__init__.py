"""Decoders behind one protocol: pyav.py (default), decord.py, torchcodec.py.

Read scan.py first: it defines what a decoder reports about a file, and how a backend is chosen.
"""
