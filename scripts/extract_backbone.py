"""Features of RGB snippets by a public network other than Inception-I3D, for a shard of videos.

Networks are the modules of workflow/wstal/networks/backbones.

Examples (R is results/ave/ave_resnet152, W is results/weights):
  python scripts/extract_backbone.py --network resnet152 --frames R/frames/shard0.csv \\
      --weights W/resnet152-394f9c45.pth --recipe @resnet152.json --code x --output o/shard0.csv
  python scripts/extract_backbone.py --network x3d_m --frames R/frames/shard0.csv \\
      --weights untrained --recipe '{"short_side": 256, "interpolation": "bilinear",
      "crop": 224, "tail": "drop", "batch": 2}' --code x --output o/shard0.csv
"""

from functools import partial

from cli import track, within
from extracting import extract_shard, feature_parser
from wstal.features.backbone_stage import backbone_network, backbone_shard


def main() -> None:
    """Parse, load the network, extract the shard."""
    arguments = feature_parser(__doc__, "of the network")
    arguments.add_argument("--network", required=True, help="a module of networks/backbones")
    args = arguments.parse_args()
    name = args.network
    shown = {"track": track(name), "within": within(name)}
    load = partial(backbone_network, name, args.weights)
    extract_shard(args, load, partial(backbone_shard, name, args.frames, **shown))


if __name__ == "__main__":
    main()
