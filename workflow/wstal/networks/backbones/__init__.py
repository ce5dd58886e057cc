"""Public networks by the library they come from, named like their stage and recipe section.

To add one, write its `Backbone` into the file of its library (or a new file) and name it here; its
weights go into `workflow/reference/weights/sources.yaml`.
"""

# By name: importing this imports no network, and a stage's code digest covers only its own file.
_HERE = "wstal.networks.backbones"
MODULES = {
    "resnet152": f"{_HERE}.torchvision",
    "s3d": f"{_HERE}.torchvision",
    "r2plus1d": f"{_HERE}.torchvision",
    "i3d_r50": f"{_HERE}.pytorchvideo",
    "slowfast_r50": f"{_HERE}.pytorchvideo",
    "x3d_m": f"{_HERE}.pytorchvideo",
}
