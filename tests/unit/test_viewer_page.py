"""The page is one file, holds what it was given, and lets nobody's text become markup."""

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from evaluation_cases import DATABASE, detections, truth
from viewer_cases import small_material, small_scores
from wstal import viewer
from wstal.plots.style import GROUND_TRUTH
from wstal.viewer.content import viewer_content
from wstal.viewer.page import SCRIPTS, safe_json, viewer_page

HOSTILE = "</script><img src=x onerror=alert(1)><!--<script>&\u2028'\""
SOURCES = Path(viewer.__file__).parent


class Elements(HTMLParser):
    """Tags with their attributes, and the text of each script and style."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self._open = [], [], None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._open = tag
        if tag in ("script", "style"):
            self.texts.append([tag, dict(attributes), ""])

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, text):
        if self._open in ("script", "style"):
            self.texts[-1][2] += text


def small_content(folder, **changes):
    return viewer_content(small_material(folder, **changes), folder / "viewer.html", folder)


def test_the_data_comes_back_as_it_was(tmp_path):
    content = small_content(tmp_path)
    texts = Elements(viewer_page(content, "t")).texts
    data = [text for tag, attributes, text in texts if attributes.get("id") == "data"]
    assert json.loads(data[0]) == json.loads(json.dumps(content))


def test_hostile_ids_labels_and_notes_stay_text(tmp_path):
    database = {
        HOSTILE: DATABASE["v2"]
        | {"labels": [HOSTILE], "annotations": [{"segment": [0, 4], "label": HOSTILE}]}
    }
    content = small_content(
        tmp_path,
        about={"title": HOSTILE, "note": HOSTILE},
        truth=truth(tmp_path, classes=[HOSTILE], database=database),
        scores=small_scores({HOSTILE: 5}, [HOSTILE]),
        found=detections([(HOSTILE, 0.0, 4.0, HOSTILE, 1.0)]),
        manifest={
            HOSTILE: {"path": f"/elsewhere/{HOSTILE}.mp4", "status": HOSTILE, "reason": HOSTILE}
        },
    )
    page = viewer_page(content, HOSTILE)
    plain = Elements(viewer_page(small_content(tmp_path), "t"))
    elements = Elements(page)
    assert [tag for tag, _ in elements.tags] == [tag for tag, _ in plain.tags]
    assert HOSTILE not in page and "<img" not in page
    data = next(text for _, attributes, text in elements.texts if attributes.get("id") == "data")
    assert not set("<>&\u2028") & set(data)
    assert json.loads(data)["videos"][0]["id"] == HOSTILE == json.loads(data)["classes"][0]
    assert f"<title>{html.escape(HOSTILE)}</title>" in page


def test_braces_in_the_data_are_not_places_of_the_template(tmp_path):
    page = viewer_page(small_content(tmp_path, about={"note": "{{script}}"}), "{{data}}")
    assert '"{{script}}"' in page and "<title>{{data}}</title>" in page


def test_only_the_pages_own_script_and_style_may_run(tmp_path):
    elements = Elements(viewer_page(small_content(tmp_path), "t"))
    policy = next(a["content"] for tag, a in elements.tags if a.get("http-equiv"))
    assert "default-src 'none'" in policy and "unsafe" not in policy
    for tag, attributes, text in elements.texts:
        if attributes.get("type") != "application/json":
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in policy


def test_the_page_needs_no_other_file(tmp_path):
    elements = Elements(viewer_page(small_content(tmp_path), "t"))
    assert not [a for tag, a in elements.tags if tag == "link" or {"src", "href", "style"} & set(a)]
    style = next(text for tag, _, text in elements.texts if tag == "style")
    assert GROUND_TRUTH in style and "url(" not in style and "@import" not in style


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_make_text_nodes_only(name):
    script = (SOURCES / name).read_text()
    danger = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|fetch\(|</script|<!--"
    assert not re.search(danger, script)


def test_every_place_the_scripts_look_for_is_in_the_page():
    page = (SOURCES / "page.html").read_text()
    wanted = {
        i
        for name in SCRIPTS
        for i in re.findall(r'byId\("([^"]+)"\)', (SOURCES / name).read_text())
    }
    there = re.findall(r'\bid="([^"]+)"', page)
    assert wanted <= set(there) and len(there) == len(set(there))
    assert {path.name for path in SOURCES.glob("*.js")} == set(SCRIPTS)


def test_json_in_a_script_element_is_json_all_the_same():
    assert json.loads(safe_json({"a": HOSTILE})) == {"a": HOSTILE}
    with pytest.raises(ValueError):
        safe_json(float("nan"))
