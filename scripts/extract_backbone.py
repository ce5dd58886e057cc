"""Features of RGB snippets by a public network other than Inception-I3D, for a shard of videos.

Networks are the modules of workflow/wstal/nets/backbones.

Examples (R is results/ave/ave_resnet152, W is results/weights):
  python scripts/extract_backbone.py --network resnet152 --frames R/frames/shard0.csv \\
      --weights W/resnet152-394f9c45.pth --recipe @resnet152.json --code x --output o/shard0.csv
  python scripts/extract_backbone.py --network x3d_m --frames R/frames/shard0.csv \\
      --weights untrained --recipe '{"short_side": 256, "interpolation": "bilinear",
      "crop": 224, "tail": "drop", "batch": 2}' --code x --output o/shard0.csv
"""

import sys
from pathlib import Path

from cli import json_argument, parser, track, within
from wstal.device import DEVICES, lease
from wstal.errors import WstalError
from wstal.features.backbone_stage import backbone_network, backbone_shard
from wstal.nets.weight_files import read_sources
from wstal.nets.weights import UNTRAINED
from wstal.store import write_shard

SOURCES = Path(__file__).resolve().parent.parent / "workflow/reference/weights/sources.yaml"


def main() -> None:
    """Parse, load the network, extract the shard."""
    arguments = parser(__doc__)
    add = arguments.add_argument
    add("--network", required=True, help="a module of nets/backbones")
    add("--frames", type=Path, required=True, help="manifest of the frames")
    add("--weights", required=True, help=f"a file, or {UNTRAINED}")
    add("--recipe", type=json_argument, required=True, help="its section, JSON or @file")
    add("--device", choices=DEVICES, default="auto")
    add("--code", required=True, help="digest of the code")
    add("--output", type=Path, required=True, help="manifest to write; files go beside it")
    args = arguments.parse_args()
    try:
        loaded = backbone_network(args.network, args.weights, read_sources(SOURCES))
        with lease(args.device) as device:
            records = backbone_shard(
                args.network, args.frames, loaded, args.recipe, device=device, code=args.code,
                directory=args.output.parent, track=track(args.network),
                within=within(args.network),
            )  # fmt: skip
    except WstalError as error:
        sys.exit(str(error))
    write_shard(args.output, records)


if __name__ == "__main__":
    main()
