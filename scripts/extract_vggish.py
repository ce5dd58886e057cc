"""VGGish features of the sound around each snippet, for a shard of videos.

Examples (folder R is results/demo/demo_i3d, W is workflow/reference/weights):
  python scripts/extract_vggish.py --frames R/frames/shard0.csv --audio R/audio/shard0.csv \\
      --weights W/demo_vggish.safetensors --recipe @vggish.json --code x --output out/shard0.csv
  (with `postprocess: pca8` in the recipe, add --pca vggish_pca_params-970ea276.pth)
"""

from functools import partial
from pathlib import Path

from cli import track
from extracting import extract_shard, feature_parser
from wstal.features.vggish_stage import vggish_network, vggish_shard


def main() -> None:
    """Parse, load the network, extract the shard."""
    arguments = feature_parser(__doc__, "vggish")
    add = arguments.add_argument
    add("--audio", type=Path, required=True, help="manifest of the sound")
    add("--pca", type=Path, help="parameters of the postprocess pca or pca8")
    args = arguments.parse_args()
    if (args.recipe["postprocess"] != "none") != (args.pca is not None):
        arguments.error("--pca goes with postprocess pca or pca8, and only with them")
    shards = {"frames": args.frames, "audio": args.audio}
    load = partial(vggish_network, args.weights, args.recipe, pca=args.pca)
    extract_shard(args, load, partial(vggish_shard, shards, track=track("vggish")))


if __name__ == "__main__":
    main()
