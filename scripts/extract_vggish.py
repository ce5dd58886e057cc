"""VGGish features of the sound around each snippet, for a shard of videos.

Examples (folder R is results/demo/demo_i3d, W is workflow/reference/weights):
  python scripts/extract_vggish.py --frames R/frames/shard0.csv --audio R/audio/shard0.csv \\
      --weights W/demo_vggish.safetensors --recipe @vggish.json --code x --output out/shard0.csv
  (with `postprocess: pca8` in the recipe, add --pca vggish_pca_params-970ea276.pth)
"""

import sys
from pathlib import Path

from cli import json_argument, parser, track
from torch.nn import Sequential
from wstal.device import DEVICES, device_name, lease
from wstal.errors import WstalError
from wstal.features.shard import features_shard
from wstal.features.vggish_stage import vggish_extractor
from wstal.nets.vggish_postprocess import load_postprocess
from wstal.nets.weight_files import identify, read_sources
from wstal.nets.weights import UNTRAINED, load_vggish, untrained_vggish
from wstal.store import write_shard

SOURCES = Path(__file__).resolve().parent.parent / "workflow/reference/weights/sources.yaml"


def main() -> None:
    """Parse, load the network, extract the shard."""
    arguments = parser(__doc__)
    add = arguments.add_argument
    add("--frames", type=Path, required=True, help="manifest of the frames: they set T")
    add("--audio", type=Path, required=True, help="manifest of the sound")
    add("--weights", required=True, help=f"a file, or {UNTRAINED}")
    add("--pca", type=Path, help="parameters of the postprocess pca or pca8")
    add("--recipe", type=json_argument, required=True, help="section vggish, JSON or @file")
    add("--device", choices=DEVICES, default="auto")
    add("--code", required=True, help="digest of the code")
    add("--output", type=Path, required=True, help="manifest to write; files go beside it")
    args = arguments.parse_args()
    options = args.recipe["width"], args.recipe["activation"]
    postprocess = args.recipe["postprocess"]
    if (postprocess != "none") != (args.pca is not None):
        arguments.error("--pca goes with postprocess pca or pca8, and only with them")
    try:
        if args.weights == UNTRAINED:
            network, weights = untrained_vggish(*options), UNTRAINED
        else:
            weights = identify(args.weights, read_sources(SOURCES))
            network = load_vggish(args.weights, *options)
        if args.pca:
            weights += " " + identify(args.pca, read_sources(SOURCES))
            network = Sequential(network, load_postprocess(args.pca, postprocess))
        with lease(args.device) as device:
            records = features_shard(
                "vggish", {"frames": args.frames, "audio": args.audio},
                vggish_extractor(network, args.recipe, device), args.recipe, weights=weights,
                device=device_name(device), code=args.code, directory=args.output.parent,
                track=track("vggish"),
            )  # fmt: skip
    except WstalError as error:
        sys.exit(str(error))
    write_shard(args.output, records)


if __name__ == "__main__":
    main()
