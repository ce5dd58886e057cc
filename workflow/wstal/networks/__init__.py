"""Networks that turn snippets into feature vectors, and their weights.

Read i3d/ (Inception-I3D), vggish.py (sound), backbone.py with backbones/ and
torchvision_import.py (other public networks), text.py (names of classes in the space of some), then
weights.py (which weights exist, how a file is identified and read safely).

Imports only base.
"""
