"""What people type: the list of commands, every help text, and the commands on the workflow."""

from __future__ import annotations

import importlib
import runpy
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import warm_python
from wstal.__main__ import summaries
from wstal.base.errors import WstalError
from wstal.commands import console
from wstal.commands.run import check_configfiles, from_checkout

ROOT = Path(__file__).resolve().parents[2]
JOBS = sorted(
    path.stem for path in (ROOT / "scripts").glob("*.py") if "__main__" in path.read_text()
)


def test_the_list_of_commands_imports_nothing_slow():
    code = """
import sys
from wstal.__main__ import main
sys.argv = ["wstal", "--help"]
try:
    main()
finally:
    assert not {"torch", "numpy", "pandas", "yaml", "snakemake"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")]
    assert {"extract", "localize", "evaluate", "compare", "why", "watch", "run"} <= set(listed)


def test_every_summary_is_one_short_sentence():
    for name, line in summaries().items():
        assert line.endswith(".") and len(line) <= 75, name


def test_an_unknown_command_is_refused_with_the_nearest():
    done = subprocess.run(
        [sys.executable, "-m", "wstal", "evalute"], text=True, capture_output=True
    )
    assert done.returncode == 1 and "nearest: evaluate" in done.stderr


def test_the_version_is_the_packages():
    command = [sys.executable, "-m", "wstal", "--version"]
    done = subprocess.run(command, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"wstal {metadata.version('wstal')}\n"


def calls(text):
    """The words of each call of `text`'s examples, as a shell reads them."""
    examples = text[text.index("Examples") :].partition("\n")[2]
    shell = 'wstal() { printf \'%s\\0\' wstal "$@"; echo; }; python() { wstal "$@"; }; '
    shell += "snakemake() { :; }\n"
    done = subprocess.run(["bash", "-c", shell + examples], text=True, capture_output=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return [record.split("\0")[2:] for record in done.stdout.split("\0\n") if record]


def parses(parser, words):
    """Whether the words parse, or ask for a list that the parser itself prints."""
    try:
        return bool(parser.parse_args(words))
    except SystemExit as ended:
        return ended.code == 0


@pytest.mark.parametrize("name", summaries())
def test_every_commands_examples_parse(name, capsys):
    command = importlib.import_module(f"wstal.commands.{name.replace('-', '_')}").COMMAND
    parser = command.parser(f"wstal {name}")
    assert parser.format_help().startswith(f"usage: wstal {name}")
    found = calls(command.about)
    assert found
    for words in found:
        assert command.passes_on or parses(parser, words)


@pytest.mark.parametrize("name", JOBS)
def test_every_jobs_examples_parse(name, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.setattr(console, "json_argument", str)  # the files of `@file` do not exist
    job = runpy.run_path(str(ROOT / "scripts" / f"{name}.py"), run_name="job")
    program = job.get("COMMAND") or console.Program(job["__doc__"], job["add_arguments"], None)
    found = calls(program.about)
    assert found or "snakemake" in program.about
    for words in found:
        assert parses(program.parser(name), words)


def test_watch_shows_the_last_line_of_recent_logs(tmp_path):
    (tmp_path / "flow").mkdir()
    (tmp_path / "flow/shard0.log").write_text("flow 1/9\nflow 2/9 a 0.1 s\n\n")
    command = [sys.executable, "-m", "wstal", "watch", "--logs", tmp_path, "--once"]
    text = warm_python.run(command, check=True).stdout
    assert text == "flow/shard0: flow 2/9 a 0.1 s\n"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("results/demo/co2net_map.csv", "results/demo/co2net_map.csv"),
        ("demo", "demo"),
        ("--dry-run", "--dry-run"),
        ("co2net_map.csv", "results/demo/co2net_map.csv"),  # typed in results/demo
        ("../ave/cavf_map.csv", "results/ave/cavf_map.csv"),
        ("{root}/results/ave/cavf_map.csv", "results/ave/cavf_map.csv"),
        ("{root}/mine.yaml", "{root}/mine.yaml"),
        ("../../mine.yaml", "{root}/mine.yaml"),
        ("a=b", "a=b"),
        ("--configfile=../../mine.yaml", "--configfile={root}/mine.yaml"),
    ],
)
def test_words_are_those_that_snakemake_sees_from_the_checkout(tmp_path, word, expected):
    folder = tmp_path / "results/demo"
    folder.mkdir(parents=True)
    (tmp_path / "mine.yaml").touch()
    found = from_checkout([word.format(root=tmp_path)], folder, tmp_path)
    assert found == [expected.format(root=tmp_path)]


@pytest.mark.parametrize(
    "words", [["--configfile", "{}"], ["--configfile={}"], ["--configfiles", "x", "{}"]]
)
@pytest.mark.parametrize(
    ("encoding", "message"),
    [("latin-1", "line 1: not UTF-8"), ("utf-16", "is UTF-16"), ("utf-8", "")],
)
def test_a_configfile_in_another_encoding_is_refused_by_name(tmp_path, words, encoding, message):
    path = tmp_path / "mine.yaml"
    path.write_bytes("targets: [Köln]\n".encode(encoding))
    given = ["all", *(word.format(path) for word in words), "-n"]
    if message:
        with pytest.raises(WstalError, match=message) as caught:
            check_configfiles(given)
        assert str(path) in str(caught.value)
    else:
        check_configfiles(given)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("show-map", "other.csv"), "other.csv: no columns coverage"),
        (("show-map", "absent.csv"), "absent.csv"),
        (("runtime", "--benchmarks", "nowhere"), "nowhere: no .tsv files"),
        (("config", "co2net", "--dataset", "thumos"), "nearest: thumos14"),
        (("weights", "fetch"), "name the weights to fetch"),
        (
            ("compare-features", "other.csv", "other.csv"),
            "other.csv is damaged or missing",
        ),
        (("localize", "a.mp4", "--run", "nowhere"), "there is no finished run"),
        (("extract", "a.mp4", "--recipe", "i3d_tvl"), "nearest: i3d_tvl1"),
    ],
)
def test_a_mistake_is_one_message_and_status_1(tmp_path, words, message):
    (tmp_path / "other.csv").write_text("run,value\nco2net,1\n")
    done = warm_python.run([sys.executable, "-m", "wstal", *words], cwd=tmp_path)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


def test_doctor_says_what_is_missing_and_how_to_get_it(tmp_path, monkeypatch, capsys):
    from wstal.commands import doctor

    (tmp_path / "wstal.yaml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr("wstal.flow.tvl1_backends.cpu.COMPILERS", ())
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "fvcore" else name)
    monkeypatch.delitem(sys.modules, "fvcore", raising=False)
    doctor.COMMAND.main(None)
    page = capsys.readouterr().out
    assert f"work folder {tmp_path}, with wstal.yaml" in page
    assert "C++ compiler: none" in page
    assert "backbones: missing fvcore: pip install 'wstal[backbones]'" in page
    assert "yes     the demo" in page and "not yet THUMOS14: place its label files into" in page
    titles = [line for line in page.splitlines() if not line.startswith(" ")]
    assert titles[0] == "wstal:" and titles[-1] == "what works here:"


def test_the_work_folder_is_that_of_wstal_yaml_or_the_checkout(tmp_path, monkeypatch):
    from wstal.commands import run
    from wstal.config import installation

    deep = tmp_path / "deep"
    deep.mkdir()
    monkeypatch.chdir(deep)
    assert installation.work_folder() == ROOT
    (tmp_path / "wstal.yaml").touch()
    assert installation.work_folder() == tmp_path
    command, folder = run.snakemake(["results/a.csv", "--profile", "slurm"])
    assert folder == tmp_path and command[-1] == str(ROOT / "workflow/profiles/slurm")
    assert run.snakemake(["x", "--directory", "other"])[1] == deep
    (tmp_path / "wstal.yaml").unlink()
    monkeypatch.setattr(installation, "ROOT", tmp_path / "site-packages/wstal_project")
    assert installation.work_folder() == deep  # an installed wheel


@pytest.mark.parametrize(
    ("text", "given", "message"),
    [
        (
            "datasets: {mine: {kind: folder, videoss: c}}",
            "",
            r"^wstal\.yaml, datasets\.mine: videoss: ",
        ),
        (
            "datasets: {demo: {shard: 3}}",
            "",
            r"demo\.yaml under wstal\.yaml \(datasets\.demo\): shard",
        ),
        ("datasets: {mine: 3}", "", r"^wstal\.yaml, datasets\.mine: expected a mapping"),
        ("datasets: [mine]", "", r"^wstal\.yaml, datasets: expected a mapping"),
        ("datasetss: {mine: {}}", "", r"^wstal\.yaml: datasetss: unknown key"),
        ("device: gpu", "", r"^wstal\.yaml: device: 'gpu' is not one of"),
        ("device: cpu", "devise: cpu", r"^--config or --configfile: devise: unknown key"),
        ("{}", "datasets: {mine: {kindd: x}}", r"^--config or --configfile, datasets\.mine: kindd"),
        (
            "datasets: {mine: {kind: folder}}",
            "datasets: {mine: {videoss: c}}",
            r"^wstal\.yaml, --config or --configfile, datasets\.mine: videoss",
        ),
    ],
)
def test_a_mistake_in_the_configuration_names_the_file_that_has_it(
    tmp_path, monkeypatch, text, given, message
):
    from wstal.config.catalog import own_catalog

    monkeypatch.chdir(tmp_path)
    (tmp_path / "wstal.yaml").write_text(text)
    (tmp_path / "more.yaml").write_text(given or "{}")
    with pytest.raises(WstalError, match=message):
        own_catalog(tmp_path / "more.yaml")


def test_wstal_yaml_is_laid_over_the_configuration(tmp_path, monkeypatch):
    from wstal.config.catalog import own_catalog

    monkeypatch.chdir(tmp_path)
    text = "datasets: {mine: {kind: folder, videos: clips}}\nmethods: {co2net: {train: {lr: 0.5}}}"
    (tmp_path / "wstal.yaml").write_text(text)
    more = tmp_path / "more.yaml"
    more.write_text("datasets: {mine: {videos: others}}")
    assert own_catalog().run_config("mine", "co2net")["train"]["lr"] == 0.5
    assert own_catalog(more).datasets["mine"]["videos"] == "others"
    for text in ("", "# a work folder\n"):
        (tmp_path / "wstal.yaml").write_text(text)
        assert "mine" not in own_catalog().datasets
