"""Files, digests and devices: the ground that every other room builds on.

Nothing here knows about video or learning. Read settings.py (settings classes), code_digest.py
(which code a result depends on), array_store.py (array files with keys) and stage.py (the common
part of every stage from video to features). The others are independent of each other: files.py,
errors.py, device.py, parallel.py, download.py, job_environment.py, restricted_pickle.py,
torch_files.py.

Imports no other room.
"""
