"""Build the documentation as a site: `make docs` writes docs/site/html, and fails on a broken link.

The pages stay where they are in the repository, so that their links work there and here. SECTIONS
is the navigation; Sphinx warns of a page of docs/ that it leaves out.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SECTIONS = {
    "Start": [
        "docs/index",
        "docs/install",
        "docs/own_data",
        "docs/other_data",
        "docs/viewer",
        "docs/glossary",
    ],
    "Papers": [
        *("docs/datasets", "docs/co2net", "docs/acn", "docs/cavf", "docs/tssam"),
        *("docs/concord", "docs/evaluation", "docs/annotation_sets", "docs/compared"),
    ],
    "Stages": [
        *("docs/workflow", "docs/time", "docs/features", "docs/features_speed", "docs/flow"),
        *("docs/reliability", "docs/cluster", "workflow/profiles/README"),
    ],
    "Reference": [
        *("results/README", "workflow/config/README", "docs/measured", "docs/site/api"),
        *("workflow/reference/datasets/README", "workflow/reference/weights/README"),
    ],
    "Develop": ["CONTRIBUTING", "benchmarks/README"],
}

project = "wstal"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinxcontrib.mermaid"]
root_doc = "README"
include_patterns = ["docs/*.md", *(f"{page}.md" for pages in SECTIONS.values() for page in pages)]
include_patterns += [f"{root_doc}.md"]
html_theme = "furo"
html_title = "wstal"
html_static_path, html_css_files = ["site.css"], ["site.css"]
html_extra_path = ["index.html"]
html_copy_source = html_show_sourcelink = False

myst_heading_anchors = 4  # those of GitHub
myst_fence_as_directive = ["mermaid"]
default_role = "literal"  # docstrings write `name` as these pages do
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
highlight_language = "sh"
suppress_warnings = ["misc.highlighting_failure"]  # of placeholders in braces


def add_navigation(app, name: str, source: list[str]) -> None:
    """Append SECTIONS to the first page, which knows nothing of this site."""
    if name == root_doc:
        for title, pages in SECTIONS.items():
            lines = ["", "```{toctree}", ":hidden:", f":caption: {title}", "", *pages, "```"]
            source[0] += "\n".join(lines) + "\n"


def setup(app) -> None:
    app.connect("source-read", add_navigation)
