"""Draw the diagrams of ACN's figures 1 and 2 from its config and its model.

Examples:
  python scripts/draw_acn.py --folder docs/figures
"""

import sys
from pathlib import Path

from cli import parser
from wstal.config.catalog import load_catalog
from wstal.errors import WstalError
from wstal.models.acn import build
from wstal.plots.acn_diagrams import regression_figure, system_overview
from wstal.plots.style import save

ROOT = Path(__file__).resolve().parent.parent / "workflow"


def main() -> None:
    """Parse, resolve, draw."""
    arguments = parser(__doc__)
    arguments.add_argument("--dataset", default="thumos14", help="whose settings to show")
    arguments.add_argument("--width", type=int, default=1024, help="of the features")
    arguments.add_argument("--folder", type=Path, required=True, help="output: acn_figure*.svg")
    args = arguments.parse_args()
    try:
        catalog = load_catalog(ROOT / "config", ROOT / "schemas")
        fused = catalog.run_config(args.dataset, "acn")
        stream = catalog.run_config(args.dataset, fused["fuse_from"]["flow"])
        model = build(stream, {"flow": args.width}, num_classes=1)
    except WstalError as error:
        sys.exit(str(error))
    args.folder.mkdir(parents=True, exist_ok=True)
    save(system_overview(fused), args.folder / "acn_figure1.svg")
    save(regression_figure(model), args.folder / "acn_figure2.svg")


if __name__ == "__main__":
    main()
