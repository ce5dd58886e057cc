"""One number for everything that the demo's plans ask for: they are frozen."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from wstal.demo.videos import VideoPlan


def plan_digest(plans: list[VideoPlan]) -> str:
    """Return the sha256 of plans: plans with one digest ask for the same videos."""
    text = json.dumps([asdict(plan) for plan in plans], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
