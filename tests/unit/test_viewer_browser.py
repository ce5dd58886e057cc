"""The page in a browser, where there is one: scripts run, and nobody's text does."""

import html
import shutil
import subprocess

import pytest
from evaluation_cases import DATABASE, detections, truth
from test_viewer_page import HOSTILE, small_content
from viewer_cases import small_scores
from wstal.viewer.page import viewer_page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)


def dom(folder, content):
    """The page as its scripts leave it."""
    path = folder / "viewer.html"
    path.write_text(viewer_page(content, "t"), encoding="utf-8")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={folder / 'profile'}",
    ]
    command = [BROWSER, *options, "--virtual-time-budget=2000", "--dump-dom", path.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")
def test_the_page_draws_itself_and_hostile_text_stays_text(tmp_path):
    text = dom(tmp_path, small_content(tmp_path))
    assert text.count('aria-current="true"') == 1 and "2 of 2 videos" in text
    assert "2 of 2 instances found at tIoU 0.50" in text and "made up" in text
    assert "true positive</td>" in text and "false positive</td>" in text
    database = {HOSTILE: DATABASE["v2"] | {"labels": [HOSTILE], "annotations": []}}
    hostile = small_content(
        tmp_path,
        about={"title": HOSTILE, "note": HOSTILE},
        truth=truth(tmp_path, classes=[HOSTILE], database=database),
        scores=small_scores({HOSTILE: 5}, [HOSTILE]),
        found=detections([(HOSTILE, 0.0, 4.0, HOSTILE, 1.0)]),
        manifest={},
    )
    text = dom(tmp_path, hostile)
    assert "1 of 1 videos" in text and "<img" not in text
    assert html.escape(HOSTILE, quote=False).replace("\u2028", "") in text.replace("\u2028", "")
