"""Features to checkpoints and scores, by one loop for every method.

Read data.py (the training videos in memory and their batches), loop.py (updates),
checkpoint.py, run.py (one training from start to end, resumable), scoring.py (a model on whole
videos), imported.py (a checkpoint of a paper's own code), zero_shot.py (scores by names of
classes).

Imports only base, datasets, networks, features, localize and methods.
"""

TRAINING_LOG = "WSTAL_TRAINING_LOG"  # variable: the `log` of the configuration, for the jobs
