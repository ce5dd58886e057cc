"""Programs that decode video, behind the protocol `wstal.media.scan.Decoder`.

pyav.py is the default; it alone decides which frame is shown when, and keeps what decodes of a
damaged file. decord.py and torchcodec.py are used for the files of which they give the same
pictures.
"""

# By name: a machine that reads cached pictures needs none of them. A change to a decoder reruns
# the stage `frames`, and through its keys all stages after it.
MODULES = {name: f"wstal.media.decoders.{name}" for name in ("pyav", "decord", "torchcodec")}
