"""The page as one HTML file: template, style, script and data put together safely."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wstal.plots.style import AUDIO, FLOW, FUSED, GROUND_TRUTH, RGB

PAGE, STYLE = "page.html", "page.css"
SCRIPTS = ("data.js", "clock.js", "lanes.js", "timeline.js", "list.js", "tables.js", "viewer.js")
COLOURS = {"truth": GROUND_TRUTH, "rgb": RGB, "flow": FLOW, "fused": FUSED, "audio": AUDIO}
# Escaped in a script element: what could end it or begin a comment, and line separators.
UNSAFE = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"}


def viewer_page(content: Mapping[str, Any], title: str) -> str:
    """Return the HTML page of `content` (`viewer_content`).

    Ids, labels and notes are untrusted text: the page holds them as JSON that cannot end its
    element, and its content security policy refuses all scripts but its own. Raises ValueError for
    a number that is not finite.
    """
    colours = "".join(f"--{name}: {value}; " for name, value in COLOURS.items())
    style = f":root {{ {colours}}}\n{_read_file(STYLE)}"
    script = '"use strict";\n(() => {\n' + "\n".join(map(_read_file, SCRIPTS)) + "})();\n"
    parts = {
        "policy": html.escape(
            f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
            "media-src 'self' file: http: https:; base-uri 'none'; form-action 'none'"
        ),
        "title": html.escape(title),
        "style": style,
        "data": safe_json(content),
        "script": script,
    }
    pieces = _read_file(PAGE).split("{{")
    filled = [pieces[0]]
    for piece in pieces[1:]:
        name, rest = piece.split("}}", 1)
        filled += [parts[name], rest]
    return "".join(filled)


def safe_json(content: Any) -> str:
    """Return JSON that is safe inside a script element: it has no `<`, `>` or `&`."""
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.translate(UNSAFE)


def _digest(text: str) -> str:
    """The source by which a content security policy allows an inline script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _read_file(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
