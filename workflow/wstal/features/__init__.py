"""Snippets to `features.h5`: the feature stages, packing, and imported features.

Read snippets.py (frames or flow to rows), network_stage.py (what the stages have in common), the
stages i3d_stage.py, vggish_stage.py and backbone_stage.py (frame_vectors.py: its rows that share
frames), and pack.py (all videos in one file).
Beside them: precision.py (verdicts on less than float32), importers/ (published features),
compare.py (two feature files), verify.py (public weights against published outputs, and a lower
precision against float32), backbone_check.py (a backbone's vector beside its library's).

Imports only base, datasets, media, networks and flow.
"""
