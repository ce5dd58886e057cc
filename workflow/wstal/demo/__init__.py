"""The factory of the demo: rendered videos, simulated features, pretraining of small networks.

Read motion.py (what moves, and how it sounds), pictures.py (how it looks), casting.py (who acts
in a scene), events.py (the AVE-like clips), videos.py (the untrimmed videos; both kinds as folders
of own videos), folder.py (clips of a person with a camera), pretrain.py (trimmed clips and the
small networks), then simulate.py (features without videos). Every drawing is a pure function of a
seed. Lengths are scene units: one pixel of a picture whose short side is 112. Times are seconds.
Only the demo's own jobs and `wstal demo-folder` import this room.

Imports only base, datasets, media, networks, flow and features.
"""
