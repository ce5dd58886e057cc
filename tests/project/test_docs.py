"""The pages: each is in the navigation, every link leads somewhere, every command is one that works."""

from __future__ import annotations

import importlib
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections import Counter
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import pytest
import warm_python
import yaml
from snakemake.cli import get_argument_parser
from wstal.__main__ import summaries
from wstal.config.layers import merged

ROOT = Path(__file__).resolve().parents[2]
LISTED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
    cwd=ROOT,
    text=True,
    capture_output=True,
).stdout.split()
PAGES = {name: (ROOT / name).read_text() for name in LISTED if (ROOT / name).exists()}
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.M | re.S)


def sections():
    return runpy.run_path(str(ROOT / "docs/site/conf.py"))["SECTIONS"]


def test_every_page_is_in_the_navigation_once():
    listed = [f"{page}.md" for pages in sections().values() for page in pages]
    assert len(listed) == len(set(listed))
    assert set(listed) <= set(PAGES), "conf.py names a page that does not exist"
    missing = {name for name in PAGES if name.startswith("docs/")} - set(listed)
    assert not missing, f"docs/site/conf.py: SECTIONS lacks {missing}"


def test_every_name_of_the_api_page_is_there():
    names = re.findall(r"^from (\S+) import (\w+)", PAGES["docs/site/api.md"], re.M)
    listed = re.findall(r"^\.\. auto\w+:: (\S+)\.(\w+)$", PAGES["docs/site/api.md"], re.M)
    assert len(names) >= 4 and len(listed) >= 5
    for module, name in names + listed:
        assert getattr(importlib.import_module(module), name)


def anchors(text):
    """The anchors that GitHub gives the headings of a page."""
    seen: Counter[str] = Counter()
    for title in re.findall(r"^#{1,6} +(.+?) *#*$", FENCE.sub("", text), re.M):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        yield f"{slug}-{seen[slug]}" if seen[slug] else slug
        seen[slug] += 1


def broken_links(name, pages):
    """Yield each relative link of a page that leads nowhere."""
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", pages[name]))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        if re.match(r"\w+:", link):
            continue
        target = os.path.normpath(Path(name).parent / path) if path else name
        if target not in pages and not (ROOT / target).exists():
            yield f"{name}: {link} does not exist"
        elif anchor and anchor not in anchors(pages.get(target, "")):
            yield f"{name}: {link}: no such heading"


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(name):
    assert not list(broken_links(name, PAGES))


def test_a_broken_link_is_found():
    pages = {
        "docs/a.md": "# A `b` (c)?\n[x](a.md#a-b-c) [y](no.md) [z](#no) [w](../README.md#no) `[v](n)`",
        "README.md": "# R",
    }
    found = [line.split(": ", 1)[1] for line in broken_links("docs/a.md", pages)]
    expected = ["no.md does not exist", "#no: no such heading", "../README.md#no: no such heading"]
    assert found == expected


# The commands of the pages.

STARTS = "wstal|snakemake|make|python3?|pytest|pip"
COMMAND = re.compile(rf"(?:\$ )?((?:\w+=\S+ +)*(?:{STARTS}) .+)")


class Command(NamedTuple):
    page: str
    words: list[str]
    is_whole: bool = True  # in a block of its own; one in the text may leave out arguments

    def __str__(self) -> str:
        return f"{self.page}: {shlex.join(self.words)}"


def commands(pages):
    """The commands in the fenced blocks of the pages, and those in the text from their name on."""
    found = []
    for name, text in pages.items():
        for _, language, block in FENCE.findall(text):
            if language in ("", "sh", "bash", "console"):
                for line in re.sub(r"\\\n *", "", block).splitlines():
                    if match := COMMAND.fullmatch(line.strip()):
                        found.append(Command(name, words_of(match[1])))
        for span in re.findall(r"`([^`]+)`", FENCE.sub("", text)):
            line = " ".join(span.split())
            if COMMAND.fullmatch(line) and not re.search(r"\.\.\.|[{<|]|\b[A-Z]{3,}\b", line):
                found.append(Command(name, words_of(line), False))
    return found


def words_of(line):
    words = shlex.split(line, comments=True)
    words = list(takewhile(lambda word: word not in ("|", "&>", ">", "&&"), words))
    while "=" in words[0]:
        del words[0]  # a variable of the environment
    return words


FOUND = commands({n: text for n, text in PAGES.items() if "workflow/reference" not in n})


def of(*starts):
    return [command for command in FOUND if command.words[0] in starts]


def test_commands_are_found():
    text = "Text `wstal why x`, `wstal {x}`.\n```\nA=1 make demo  # see\nb -> c\n```\n"
    text += "```\n$ wstal run a \\\n  --cores 1 &> log\nwritten\n```\n"
    found = [command.words for command in commands({"a.md": text})]
    expected = [["make", "demo"], ["wstal", "run", "a", "--cores", "1"], ["wstal", "why", "x"]]
    assert sorted(found) == sorted(expected)
    assert len(of("wstal")) > 40 and len(of("snakemake")) > 20 and len(of("make")) > 10


def wstal_command(name):
    assert name in summaries(), f"there is no command wstal {name}"
    return importlib.import_module(f"wstal.commands.{name.replace('-', '_')}").COMMAND


@pytest.mark.parametrize("command", of("wstal"), ids=str)
def test_a_command_of_wstal_is_understood(command, capsys):
    name, *words = command.words[1:]
    if name.startswith("-"):
        return
    program = wstal_command(name)
    if program.passes_on:
        return
    parser = program.parser(name)
    if not command.is_whole:
        options = [word for word in words if word.startswith("--")]
        assert set(options) <= set(parser._option_string_actions)
        return
    try:
        parser.parse_args(words)
    except SystemExit as ended:  # a list that the parser prints
        assert ended.code == 0, capsys.readouterr().err


@pytest.mark.parametrize("command", of("make"), ids=str)
def test_a_target_of_make_is_there(command):
    makefile = (ROOT / "Makefile").read_text()
    for word in command.words[1:]:
        name, is_variable, _ = word.partition("=")
        pattern = rf"\b{name}\b" if is_variable else rf"^{name}:"
        assert re.search(pattern, makefile, re.M), f"Makefile has no {name}"


@pytest.mark.parametrize("command", of("python", "python3", "pytest", "pip"), ids=str)
def test_a_program_and_its_options_are_there(command):
    start, *words = command.words
    if start == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        named = re.findall(r"wstal\[([\w,]+)\]", shlex.join(words))
        named = [each for part in named for each in part.split(",")]
        assert set(named) <= set(extras["optional-dependencies"])
        return
    if start == "pytest":
        paths = [word.partition("::")[0] for word in words if "/" in word]
    else:
        paths = [words[1].replace(".", "/") + ".py" if words[0] == "-m" else words[0]]
    for path in paths:
        assert (ROOT / path).exists(), path
    if start != "pytest":
        source = (ROOT / paths[0]).read_text()
        options = [word for word in words if word.startswith("--") and word != "--help"]
        assert not [option for option in options if option.partition("=")[0] not in source]


RULES = """
include: {snakefile!r}
import json
from pathlib import Path
from snakemake.io import regex_from_filepattern
paths = {{rule.name: [str(path) for path in rule.products()] for rule in workflow.rules}}
patterns = {{
    name: [name, *map(regex_from_filepattern, found)] for name, found in paths.items()
}}
Path({output!r}).write_text(json.dumps({{"paths": paths, "patterns": patterns}}))
raise SystemExit
"""
OF_A_GUIDE = {"results/thumos14_sim/toy_map.csv"}  # CONTRIBUTING.md: tests/workflow/test_add_method


def snakemake_calls():
    """The commands that name targets of the DAG, with what Snakemake's own parser reads."""
    for command in [*of("snakemake"), *of("wstal")]:
        start, *words = command.words
        if start == "wstal":
            name, *words = words
            if name not in ("run", "why"):
                continue
        if words == ["--version"]:  # the parser would print it and leave
            continue
        try:
            yield command, get_argument_parser().parse_known_args(words)[0]
        except SystemExit:
            pytest.fail(f"{command}: Snakemake's parser refuses it")


MINE = {"datasets": {"mine": {"kind": "folder", "videos": "clips"}}}  # the reader's, on all pages


def page_settings():
    """What the pages lay over the configuration by --config, and the dataset `mine`."""
    pairs = [pair for _, args in snakemake_calls() for pair in args.config or []]
    layers = [{key: yaml.safe_load(value)} for key, _, value in (p.partition("=") for p in pairs)]
    return merged(MINE, *layers)


@pytest.fixture(scope="module")
def dag(tmp_path_factory):
    """What the rules make, by their names: `paths` with wildcards, and `patterns` of the paths."""
    folder = tmp_path_factory.mktemp("rules")
    settings, output = folder / "settings.yaml", folder / "rules.json"
    settings.write_text(yaml.safe_dump(page_settings()))
    text = RULES.format(snakefile=str(ROOT / "Snakefile"), output=str(output))
    (folder / "Snakefile").write_text(text)
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1"]
    command += ["--configfile", settings, "--directory", folder]
    done = warm_python.run([*command, "--snakefile", folder / "Snakefile"])
    assert output.exists(), done.stderr
    return json.loads(output.read_text())


@pytest.fixture(scope="module")
def makers(dag):
    """The rules by name, each with the patterns of what it makes."""
    return {name: [re.compile(each) for each in found] for name, found in dag["patterns"].items()}


def rules_that_make(target, makers):
    return {name for name, patterns in makers.items() if any(p.fullmatch(target) for p in patterns)}


def test_every_target_is_one_that_the_rules_make(makers):
    unknown = [
        f"{command}: no rule makes {target}"
        for command, args in snakemake_calls()
        for target in args.targets
        if target not in OF_A_GUIDE and not rules_that_make(target, makers)
    ]
    assert not unknown
    assert rules_that_make("results/demo/co2net_map.csv", makers) == {"headline"}
    for wrong in ("results/thumos/co2net_map.csv", "results/demo/co2nt_map.csv", "demos"):
        assert not rules_that_make(wrong, makers)


LETTERS = {"seed": "n", "shard": "k", "given": "name", "sweep": "figure", "backbone": "stage"}


def described(page):
    """The names of files and folders that a page describes; `a.csv`, `.md` are two."""
    names, last = set(), ""
    for word in re.findall(r"[\w{}./*-]*[\w}*]/?", page):
        if re.fullmatch(r"\.\w+", word):
            names.add(last.rpartition(".")[0] + word)
        else:
            last = word.rstrip("/").rpartition("/")[2]
            names.add(last)
    return names


def test_every_file_of_the_dag_is_described(dag):
    names, missing = described(PAGES["results/README.md"]), set()
    for rule, paths in dag["paths"].items():
        for path in paths:
            path = re.sub(r"\{(\w+)[^{}]*\}", lambda m: f"{{{LETTERS.get(m[1], m[1])}}}", path)
            path = re.sub(r"/\w+_figure\d", "/{figure}", path).replace("{part}", "")
            if path.startswith(("results/weights/", "results/logs/", "results/benchmarks/")):
                continue  # folders with a row of their own
            if Path(path).name not in names:
                missing.add(f"{path} (rule {rule})")
    assert not missing, f"results/README.md lacks {sorted(missing)}"
    assert described("`a/{run}_x.csv`, `.md`, `b/`: log.csv") >= {"{run}_x.csv", "{run}_x.md", "b"}


# Which test runs it. "needs ..." is what no test has; the pages say so beside the command.
RUN_BY = {
    "wstal backbones": "commands/test_backbones.py::test_the_table_of_the_docs_is_that_of_the_entries",
    "wstal check-precision": "features/test_precision.py::test_command",
    "wstal cite": "commands/test_cite.py::test_a_paragraph_has_what_a_paper_must_say",
    "wstal compare": "commands/test_compare.py::test_the_table_has_both_values_the_difference_and_its_interval",
    "wstal compare-features": "features/test_compare.py::test_the_script_prints_and_writes",
    "wstal config": "config/test_layers.py::test_the_text_of_a_run_reads_back_as_its_config",
    "wstal convert": "commands/test_convert.py::test_the_command_says_what_it_wrote_and_lost",
    "wstal datasets": "datasets/test_set_comparison.py::test_the_command_writes_the_page",
    "wstal demo-folder": "workflow/test_own_data_page.py::test_the_whole_page_runs_in_an_empty_folder",
    "wstal diagnose": "scripts/test_jobs.py::test_ledger_and_diagnosis",
    "wstal doctor": "commands/test_commands.py::test_doctor_says_what_is_missing_and_how_to_get_it",
    "wstal evaluate": "scripts/test_jobs.py::test_any_tools_files_with_no_option_but_the_protocol",
    "wstal extract": "apply/test_feature_folder.py::test_script",
    "wstal labels": "commands/test_labels.py::test_check_compares_rows_with_files",
    "wstal ledger": "scripts/test_jobs.py::test_ledger_and_diagnosis",
    "wstal localize": "workflow/test_own_videos.py::test_segments_and_scores_are_those_of_the_dag",
    "wstal localize-scores": "localize/test_given_scores.py::test_the_command_localizes_scores_and_evaluates",
    "wstal reproduce": "commands/test_reproduce.py::test_all_steps_give_one_report",
    "wstal run": "workflow/test_wheel.py::test_the_installed_workflow_runs_in_an_empty_folder",
    "wstal runtime": "commands/test_commands.py::test_a_mistake_is_one_message_and_status_1",
    "wstal show-map": "commands/test_commands.py::test_a_mistake_is_one_message_and_status_1",
    "wstal suggest": "commands/test_suggest.py::test_only_videos_that_nobody_annotated_are_suggested",
    "wstal verify-results": "commands/test_verify_results.py::test_whole_results_pass",
    "wstal view": "scripts/test_jobs.py::test_a_page_of_detections_alone_and_with_all_that_a_run_has",
    "wstal watch": "commands/test_commands.py::test_watch_shows_the_last_line_of_recent_logs",
    "wstal weights": "networks/test_weights.py::test_script_fetches_and_lists",
    "wstal plan": "commands/test_plan.py::"
    "test_the_command_prints_a_plan_that_the_next_run_counts_down_from",
    "wstal why": "workflow/test_rerun.py::test_why_says_what_and_because_of_what",
    "headline": "workflow/test_own_videos.py::test_a_handful_of_clips_ends_in_video_level_map",
    "summarize": "workflow/test_entry_dag.py::test_published_features_go_to_map_without_any_video",
    "pack": "workflow/test_own_videos.py::test_features_are_those_of_the_dag_under_the_same_keys",
    "zero_shot": "workflow/test_zero_shot_dag.py::"
    "test_names_of_classes_go_to_map_and_prompts_change_no_feature",
    "viewer": "workflow/test_add_method.py::test_its_viewer_shows_proposals_and_attention",
    "operating": "scripts/test_jobs.py::test_calibrate_and_operate",
    "score_given": "workflow/test_entry_dag.py::test_given_proposals_are_scored_and_nothing_else_is_promised",
    "fetch_videos": "datasets/test_fetching.py::test_scripts_fetch_what_the_facts_name_and_list_it",
    "methods": "tables/test_tables.py::test_the_script_lists_the_methods",
    "table": "needs the paper's videos or features",
    "gap": "needs the paper's videos or features",
    "figure": "needs the paper's videos or features",
    "training_log": "needs the paper's videos or features",
    "make lint": "make test runs it",
    "make test": "runs the tests",
    "make coverage": "runs the tests",
    "make test-slow": "minutes: runs the tests marked slow",
    "make test-faults": "minutes: runs the tests marked slow",
    "make test-gpu": "needs a GPU",
    "make test-exchange": "installs 1.3 GB of other tools' packages",
    "make setup": "needs a package index",
    "make docs": "needs a package index",
    "make lock": "needs a package index",
    "make audit": "needs a package index",
    "make resolve": "needs a package index",
    "make environments": "project/test_house.py::test_conda_files_are_those_that_pyproject_gives",
    "make demo": "minutes: benchmarks/speed/demo.py runs it",
    "make demo-all": "minutes",
    "make why": "workflow/test_rerun.py::test_why_says_what_and_because_of_what",
    "make watch": "commands/test_commands.py::test_watch_shows_the_last_line_of_recent_logs",
    "make verify-weights": "features/test_verify.py::test_script",
}


def test_every_command_runs_in_a_test_or_needs_what_no_test_has(makers):
    kinds = {" ".join(c.words[:2]) for c in of("wstal") if not c.words[1].startswith("-")}
    kinds |= {f"make {w}" for c in of("make") for w in c.words[1:] if "=" not in w}
    targets = {target for _, args in snakemake_calls() for target in args.targets} - OF_A_GUIDE
    lacking = {kind for kind in kinds if kind not in RUN_BY}
    for target in targets:
        rules = rules_that_make(target, makers)
        if not rules & set(RUN_BY):
            lacking.add(f"{target} (rule {', '.join(sorted(rules))})")
    assert not lacking, "name the test that runs it in RUN_BY, or what it needs"


@pytest.mark.parametrize("kind", [kind for kind, by in RUN_BY.items() if "::" in by])
def test_the_test_that_is_named_is_there(kind):
    path, _, name = RUN_BY[kind].partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / "tests" / path).read_text(), re.M)
