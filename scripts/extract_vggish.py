"""VGGish features of the sound around each snippet, for a shard of videos.

Examples (folder R is results/demo/demo_i3d, W is workflow/reference/weights):
  python scripts/extract_vggish.py --frames R/frames/shard0.csv --audio R/audio/shard0.csv \\
      --weights W/demo_vggish.safetensors --recipe @vggish.json --code x --output out/shard0.csv
  # with `postprocess: pca8` in the recipe, add --pca vggish_pca_params-970ea276.pth
"""

import argparse
from pathlib import Path

from wstal.commands.console import WEIGHTS, Add, Program, add_device, add_shard
from stage_job import run_stage
from wstal.base.device import lease
from wstal.base.errors import WstalError
from wstal.base.settings import from_plain
from wstal.features.vggish_stage import STAGES
from wstal.networks.weights import UNTRAINED, read_sources


def add_arguments(add: Add) -> None:
    add("--frames", type=Path, required=True, help="manifest of the frames: they set T")
    add("--audio", type=Path, required=True, help="manifest of the sound")
    add("--weights", required=True, help=f"a file, or {UNTRAINED}")
    add("--pca", type=Path, help="parameters of the postprocess pca or pca8")
    add_device(add)
    add_shard(add, "vggish")


def main(args: argparse.Namespace) -> None:
    stage = STAGES["vggish"]
    settings, sources = (
        from_plain(stage.settings, args.recipe),
        read_sources(WEIGHTS / "sources.yaml"),
    )
    if (settings.postprocess != "none") != (args.pca is not None):
        raise WstalError("--pca goes with postprocess pca or pca8, and only with them")
    network = stage.load(settings, {"weights": args.weights, "pca": args.pca}, sources)
    shards = {"frames": args.frames, "audio": args.audio}
    with lease(args.device) as device:
        run_stage(args, stage, shards, device=str(device), network=network)


if __name__ == "__main__":
    Program(__doc__, add_arguments, main, isolated=True).run()
