"""VGGish features of the sound around each snippet, for a shard of videos.

Examples (folder R is results/demo/demo_i3d, W is workflow/reference/weights):
  python scripts/extract_vggish.py --frames R/frames/shard0.csv --audio R/audio/shard0.csv \\
      --weights W/demo_vggish.safetensors --recipe @vggish.json --code x --output out/shard0.csv
  (with `postprocess: pca8` in the recipe, add --pca vggish_pca_params-970ea276.pth)
"""

import sys
from pathlib import Path

from cli import json_argument, parser, track
from wstal.device import DEVICES, lease
from wstal.errors import WstalError
from wstal.features.vggish_stage import vggish_network, vggish_shard
from wstal.nets.weight_files import read_sources
from wstal.nets.weights import UNTRAINED
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
    if (args.recipe["postprocess"] != "none") != (args.pca is not None):
        arguments.error("--pca goes with postprocess pca or pca8, and only with them")
    try:
        loaded = vggish_network(args.weights, args.recipe, read_sources(SOURCES), args.pca)
        with lease(args.device) as device:
            records = vggish_shard(
                {"frames": args.frames, "audio": args.audio}, loaded, args.recipe, device=device,
                code=args.code, directory=args.output.parent, track=track("vggish"),
            )  # fmt: skip
    except WstalError as error:
        sys.exit(str(error))
    write_shard(args.output, records)


if __name__ == "__main__":
    main()
