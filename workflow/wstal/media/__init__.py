"""Video files to verified frame times, pictures and sound.

Read in the order in which a video passes through: find.py (its file), probe.py (is it usable?),
manifest.py (the row that records it), scan.py (what decoding shows), clock.py (times of decoded
frames), timeline.py (the frame at each k / fps), frames.py and pictures.py (the pictures), sound.py
(16 kHz mono), decoders/ behind both, then stage.py, frame_stage.py and audio_stage.py (the stages
`frames` and `audio`).

Imports only base and datasets.
"""
