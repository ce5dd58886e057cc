"""Compiling on first use: the cache, its key, races, and what fails plainly."""

import subprocess
import sys

import pytest
from wstal.flow import shared_library
from wstal.flow.shared_library import NoCompiler, cache_folder, find_compiler, load_library


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    load_library.cache_clear()
    yield
    load_library.cache_clear()


def source(tmp_path, number, name="number.cpp"):
    path = tmp_path / name
    path.write_text(f'extern "C" int number() {{ return {number}; }}\n')
    return path


def test_a_source_is_compiled_once_and_again_when_edited(tmp_path):
    path = source(tmp_path, 5)
    assert load_library((path,)).number() == 5
    (library,) = cache_folder().iterdir()
    made = library.stat().st_mtime_ns
    load_library.cache_clear()
    assert load_library((path,)).number() == 5
    assert library.stat().st_mtime_ns == made
    source(tmp_path, 6)
    load_library.cache_clear()
    assert load_library((path,)).number() == 6
    assert len(list(cache_folder().iterdir())) == 2


def test_an_included_file_is_part_of_the_key(tmp_path):
    (tmp_path / "value.h").write_text("#define VALUE 1\n")
    path = tmp_path / "with_header.cpp"
    path.write_text('#include "value.h"\nextern "C" int number() { return VALUE; }\n')
    assert load_library((path, tmp_path / "value.h")).number() == 1
    (tmp_path / "value.h").write_text("#define VALUE 2\n")
    load_library.cache_clear()
    assert load_library((path, tmp_path / "value.h")).number() == 2


def test_another_cpu_on_a_shared_home_compiles_its_own(tmp_path, monkeypatch):
    path = source(tmp_path, 5)
    load_library((path,))
    monkeypatch.setattr(shared_library, "cpu_identity", lambda: "another model")
    load_library.cache_clear()
    load_library((path,))
    assert len(list(cache_folder().iterdir())) == 2


def test_processes_that_race_all_get_the_library(tmp_path):
    path = source(tmp_path, 7)
    code = (
        "import sys; from pathlib import Path; from wstal.flow.shared_library import load_library;"
        "assert load_library((Path(sys.argv[1]),)).number() == 7"
    )
    racers = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(3)]
    assert [racer.wait() for racer in racers] == [0, 0, 0]
    assert len(list(cache_folder().iterdir())) == 1


def test_a_source_that_does_not_compile_shows_the_compilers_words(tmp_path):
    path = tmp_path / "broken.cpp"
    path.write_text("int broken( {\n")
    with pytest.raises(NoCompiler, match=r"broken\.cpp.*expected"):
        load_library((path,))
    assert not list(cache_folder().iterdir())


def test_no_compiler_is_said_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "nowhere")
    with pytest.raises(NoCompiler, match="no C\\+\\+ compiler"):
        find_compiler()


def test_a_cache_that_cannot_be_written_is_replaced_by_a_private_one(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert load_library((source(tmp_path, 3),)).number() == 3
    assert not str(cache_folder()).startswith(str(blocked))
