"""A file is known by its content: its date only says whether it must be read again."""

import os

import pytest
from wstal.base.contents import BLOCK, Digests, sample, whole


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(5 * BLOCK))
    os.utime(path, (1000, 1000))
    return path


@pytest.mark.parametrize("at", [0, 5 * BLOCK // 2, 5 * BLOCK - 1])
def test_a_sample_has_the_size_the_beginning_the_middle_and_the_end(file, at):
    before = sample(file)
    os.utime(file, (5, 5))
    assert sample(file) == before
    data = bytearray(file.read_bytes())
    data[at] = 1
    file.write_bytes(data)
    assert sample(file) != before
    file.write_bytes(bytes(5 * BLOCK + 1))
    assert sample(file) != before


@pytest.mark.parametrize("at", range(0, 3 * BLOCK, BLOCK // 2))
def test_a_small_file_is_read_whole(tmp_path, at):
    data = bytearray(3 * BLOCK)
    (tmp_path / "a").write_bytes(data)
    data[at] = 1
    (tmp_path / "b").write_bytes(data)
    assert sample(tmp_path / "a") != sample(tmp_path / "b")


def test_a_digest_is_kept_while_size_and_date_are_the_same_and_outlives_the_process(file, tmp_path):
    read = []

    def digest(path):
        read.append(path.name)
        return whole(path)

    digests = Digests(tmp_path / "kept.json", digest)
    first = digests(file)
    assert digests(file) == first and read == ["a.bin"]
    digests.save()
    assert Digests(tmp_path / "kept.json", digest)(file) == first and len(read) == 1
    os.utime(file, (2000, 2000))
    assert digests(file) == first and len(read) == 2


def test_a_file_that_may_still_change_within_its_date_is_read_again(file, tmp_path):
    digests = Digests(None, whole)
    file.write_bytes(b"1")
    first = digests(file)
    stat = file.stat()
    file.write_bytes(b"2")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert digests(file) != first
