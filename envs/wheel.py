"""What a wheel has: a checkout in site-packages.

The folder `wstal_project` has the layout of the repository, and `wstal.pth` lets Python find the
package in it. So a wheel and a checkout find, name and digest everything in the same way.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = "wstal_project"
PARTS = ("Snakefile", "rules", "scripts", "profiles", "envs", "workflow")


class WheelOfCheckout(BuildHookInterface):
    """Places PARTS in a wheel; an editable installation needs none of them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":
            places = {part: f"{FOLDER}/{part}" for part in PARTS}
            build_data["force_include"] |= {**places, "envs/wstal.pth": "wstal.pth"}
