"""What changes a digest of code, and what does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from wstal.base.code_digest import (
    _kept_reader,
    code_digest,
    import_closure,
    source_digest,
)

FILES = {
    "pkg/__init__.py": "",
    "pkg/loss.py": '"""Doc."""\n\n\ndef loss(x):\n    """Doc."""\n    return x * 2  # why\n',
    "pkg/train.py": "def run():\n    from pkg.loss import loss\n    return loss\n",
    "pkg/other.py": "X = 1\n",
    "pkg/fast.py": 'SOURCE = "fast.cpp"\n',
    "pkg/fast.cpp": "int x;\n",
    "pkg/page.py": 'PARTS = ("page.html", "page.css", "page.js", "absent.js")\n',
    "pkg/page.html": "<p>\n",
    "pkg/page.css": "p { margin: 0; }\n",
    "pkg/page.js": "draw();\n",
    "pkg/models/__init__.py": "",
    "pkg/models/a.py": "import pkg.other\n",
    "scripts/train.py": "from pkg import train\nimport json\n",
    "scripts/flow.py": "import pkg.fast\nfrom pkg.commands.console import Program\nfrom shared import X\n",
    "scripts/view.py": "import pkg.page\n",
    "pkg/commands/console.py": "Program = 1\n",
    "scripts/shared.py": "from pkg.other import X\n",
}


@pytest.fixture
def tree(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def digest(tree, script="train", modules=()):
    return code_digest(tree / f"scripts/{script}.py", tree / "pkg", modules)


def edit(tree, name, old, new):
    path = tree / name
    path.write_text(path.read_text().replace(old, new))


def test_defaults_of_settings_are_no_code_but_their_fields_are(tree):
    text = "class LossSettings:\n    weight: float = 1.0\n    topk: int = 8\n"
    path = tree / "pkg/loss.py"
    path.write_text(path.read_text() + text)
    before = digest(tree)
    edit(tree, "pkg/loss.py", "float = 1.0", "float = 2.0")
    assert digest(tree) == before
    edit(tree, "pkg/loss.py", "    topk: int = 8\n", "")
    assert digest(tree) != before
    edit(tree, "pkg/loss.py", "LossSettings", "Loss")
    before = digest(tree)
    edit(tree, "pkg/loss.py", "float = 2.0", "float = 3.0")
    assert digest(tree) != before


def test_closure_follows_imports_inside_functions_and_run_time_modules(tree):
    names = [
        p.relative_to(tree).as_posix()
        for p in import_closure(tree / "scripts/train.py", tree / "pkg")
    ]
    assert names == ["pkg/__init__.py", "pkg/loss.py", "pkg/train.py"]
    with_model = import_closure(tree / "scripts/train.py", tree / "pkg", ["pkg.models.a"])
    assert tree / "pkg/other.py" in with_model and tree / "pkg/models/a.py" in with_model


def test_an_edit_of_meaning_changes_the_digest_of_what_imports_it(tree):
    before, flow = digest(tree), digest(tree, "flow")
    edit(tree, "pkg/loss.py", "x * 2", "x * 3")
    assert digest(tree) != before and digest(tree, "flow") == flow


@pytest.mark.parametrize(
    ("old", "new"), [("# why", "# because"), ('"""Doc."""', '"""Other."""'), ("x * 2", "(x\n * 2)")]
)
def test_comments_docstrings_and_formatting_change_nothing(tree, old, new):
    before = digest(tree)
    edit(tree, "pkg/loss.py", old, new)
    assert digest(tree) == before


def test_other_modules_change_nothing_and_compiled_sources_count(tree):
    before, flow = digest(tree), digest(tree, "flow")
    edit(tree, "pkg/other.py", "1", "2")
    edit(tree, "pkg/fast.cpp", "int", "long")
    assert digest(tree) == before and digest(tree, "flow") != flow
    assert digest(tree, modules=["pkg.models.a"]) != before


def test_scripts_beside_it_count_but_for_the_command_line(tree):
    flow = digest(tree, "flow")
    edit(tree, "pkg/commands/console.py", "1", "2")
    assert digest(tree, "flow") == flow
    edit(tree, "pkg/other.py", "1", "2")
    through_sibling = digest(tree, "flow")
    edit(tree, "scripts/shared.py", "\n", "\nY = 1\n")
    assert len({flow, through_sibling, digest(tree, "flow")}) == 3


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("int x;  // why\n", True),
        ("/* why\n   not */\n\n  int x;\n", True),
        ("int y;\n", False),
        ('const char* s = "// no comment";\nint x;\n', False),
    ],
)
def test_comments_and_indentation_of_compiled_sources_change_nothing(tree, text, same):
    before = digest(tree, "flow")
    (tree / "pkg/fast.cpp").write_text(text)
    assert (digest(tree, "flow") == before) is same


def test_what_looks_like_a_comment_in_a_string_counts(tree):
    (tree / "pkg/fast.cpp").write_text('const char* s = "// a";\n')
    before = digest(tree, "flow")
    edit(tree, "pkg/fast.cpp", "// a", "// b")
    assert digest(tree, "flow") != before


@pytest.mark.parametrize("name", ["page.html", "page.css", "page.js"])
def test_templates_count_as_they_are_for_what_reads_them(tree, name):
    before, other = digest(tree, "view"), digest(tree)
    (tree / "pkg" / name).write_text("// another page\n")
    assert digest(tree, "view") != before and digest(tree) == other


def test_the_page_of_the_viewer_is_part_of_its_scripts_digest(project):
    from wstal.base.code_digest import _compiled_sources, _Sources

    package = project / "workflow/wstal"
    page = package / "viewer/page.py"
    assert page in import_closure(project / "scripts/view.py", package)
    found = {path.name for path in _compiled_sources(page, _Sources(None))}
    assert found == {
        path.name for path in page.parent.iterdir() if path.suffix in (".html", ".css", ".js")
    }


def test_the_digest_of_sources_changes_with_a_default_and_a_comment(tree):
    def digests():
        files = tree / "scripts/train.py", tree / "pkg"
        return code_digest(*files), source_digest(*files)

    edit(tree, "pkg/loss.py", "def loss", "class LossSettings:\n    x: int = 1\n\n\ndef loss")
    meaning, source = digests()
    edit(tree, "pkg/loss.py", "x: int = 1", "x: int = 2  # a half")
    assert digests()[0] == meaning and digests()[1] != source


@pytest.fixture
def digest_with_cache(tree):
    """The digest as a new process takes it, with the file that keeps what sources mean."""
    kept = tree / ".snakemake/wstal/code.json"

    def compute(script="train"):
        _kept_reader.cache_clear()
        return code_digest(tree / f"scripts/{script}.py", tree / "pkg", (), kept)

    compute.file = kept
    return compute


def test_a_digest_is_the_same_from_the_cache_and_reads_no_source_again(
    tree, digest_with_cache, monkeypatch
):
    first = digest_with_cache()
    assert first == digest(tree) and digest_with_cache.file.is_file()
    monkeypatch.setattr("ast.parse", None)
    assert digest_with_cache() == first


def test_an_edit_of_the_same_size_and_time_is_seen(tree, digest_with_cache):
    first, path = digest_with_cache(), tree / "pkg/loss.py"
    status = path.stat()
    edit(tree, "pkg/loss.py", "x * 2", "x * 3")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    changed = digest_with_cache()
    assert changed != first and changed == digest(tree)
    edit(tree, "pkg/loss.py", "x * 3", "x * 2")
    assert digest_with_cache() == first


@pytest.mark.parametrize("content", ["", "[1", '{"version": "older", "sources": {}}', "[]"])
def test_a_damaged_or_older_cache_is_made_again(tree, digest_with_cache, content):
    first = digest_with_cache()
    digest_with_cache.file.write_text(content)
    assert digest_with_cache() == first
    assert json.loads(digest_with_cache.file.read_text())["sources"]


def test_a_checkout_that_cannot_be_written_has_its_digests(tree, digest_with_cache):
    digest_with_cache.file.parent.parent.mkdir(parents=True)
    digest_with_cache.file.parent.write_text("a file where the folder would be")
    assert digest_with_cache() == digest(tree)


def test_the_cache_does_not_grow_without_end(tree, digest_with_cache, monkeypatch):
    monkeypatch.setattr("wstal.base.code_digest.KEPT", 5)
    for number in range(10):
        edit(tree, "pkg/loss.py", "return x", f"return {number} + x")
        digest_with_cache()
    kept = json.loads(digest_with_cache.file.read_text())["sources"]
    assert len(kept) <= 6


def test_processes_that_write_the_cache_at_once_leave_a_whole_file(tree, digest_with_cache):
    program = (
        "import sys; from pathlib import Path; from wstal.base.code_digest import code_digest\n"
        "root = Path(sys.argv[1])\n"
        "for name in ('train', 'flow', 'view'):\n"
        "    print(code_digest(root / f'scripts/{name}.py', root / 'pkg', (), Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", program, str(tree), str(digest_with_cache.file)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = {process.communicate()[0] for process in running}
    assert printed == {"".join(f"{digest(tree, name)}\n" for name in ("train", "flow", "view"))}
    assert json.loads(digest_with_cache.file.read_text())["sources"]
    assert [path.name for path in digest_with_cache.file.parent.iterdir()] == ["code.json"]
