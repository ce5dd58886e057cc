"""The factory of the demo: rendered videos, simulated features, pretraining of small networks.

Read plan.py and events.py (what happens when), motion.py, pictures.py and sound.py (how it looks
and sounds), folder.py (the demo datasets), clips.py and pretrain.py (the small networks), then
simulate.py with simulated_videos.py and simulated_evidence.py. Every drawing is a pure function of
a seed. Lengths are scene units: one pixel of a picture whose short side is 112. Times are seconds.
Only the demo's own jobs import this room.

Imports only base, datasets, media, networks, flow and features.
"""
