"""Video files to verified frame times, pictures and sound.

Read in the order in which a video passes through: find.py (its file), probe.py (is it usable?),
manifest.py (the row that records it), scan.py and decoders/ (what decoding finds), timeline.py (its
one clock, and the frame at each k / fps), frames.py and pictures.py (the pictures), sound.py (16
kHz mono and the stage `audio`), then stage.py and frame_stage.py (the stage `frames`). recording.py
finds files that are one recording, file_check.py what else may be wrong with own files.

Imports only base and datasets.
"""
