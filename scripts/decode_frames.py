"""Decode the videos of one shard and write which decoded frame stands at each k/fps second.

Examples:
  python scripts/decode_frames.py --probe results/demo/manifest/shard0.csv \\
      --recipe '{"fps": 25, "decoder": "pyav", "cache_frames": false}' --code by-hand \\
      --output results/demo/demo_i3d/frames/shard0.csv
"""

import cv2
from decoding import decode_shard
from wstal.media.stage import decode_frames


def main() -> None:
    """Parse, decode, write."""
    cv2.setNumThreads(1)  # jobs share the machine by shard
    decode_shard(__doc__, "frames", decode_frames)


if __name__ == "__main__":
    main()
