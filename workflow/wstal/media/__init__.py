"""Video files to verified frame times, pictures and sound.

Read in the order in which a video passes through: find.py (its file), probe.py (is it usable?),
manifest.py (the row that records it), clock.py (times of decoded frames), timeline.py (the frame
at each k / fps), stage.py (the jobs that store both). Then what later stages call: frames.py and
pictures.py (pictures), sound.py (16 kHz mono), and decoders/ behind both.

Imports only base and datasets.
"""
