"""Decode the sound of the videos of one shard to 16 kHz mono, in step with the pictures.

Examples:
  python scripts/decode_audio.py --probe results/demo/manifest/shard0.csv \\
      --recipe '{"rate": 16000}' --code by-hand \\
      --output results/demo/demo_i3d/audio/shard0.csv
"""

from decoding import decode_shard
from wstal.media.stage import decode_audio


def main() -> None:
    """Parse, decode, write."""
    decode_shard(__doc__, "audio", decode_audio)


if __name__ == "__main__":
    main()
