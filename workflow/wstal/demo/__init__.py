"""Rendered pictures and sound: trimmed clips for pretraining and untrimmed demo videos.

Every drawing is a pure function of a seed. Lengths are scene units: a pixel of a picture whose
short side is 112. Time is seconds throughout, so that a motion looks alike at any frame rate.
"""
