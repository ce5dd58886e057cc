"""THUMOS14's three forms, recognised by what is in the files."""

import shutil
import zipfile

import pytest
from published_sets import THUMOS, THUMOS_FACTS, write_database, write_numpy, write_official
from wstal.data.published import differences
from wstal.data.thumos14_files import read_sources
from wstal.errors import WstalError

CLASSES = THUMOS_FACTS["classes"]


def segments(found):
    return {video: sorted(entry.segments) for video, entry in found.videos.items()}


def everything(folder):
    write_official(folder / "official")
    write_numpy(folder / "numpy")
    write_database(folder / "json/thumos14.json", text=True)
    (folder / "json/fps_dict.json").write_text('{"video_test_0000001": 30.0}')
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_all_forms_are_found_and_agree(tmp_path):
    found = read_sources(everything(tmp_path), CLASSES)
    assert list(found) == ["official", "numpy", "json"]
    for form in found.values():
        assert segments(form) == {video: sorted(each) for video, each in THUMOS.items()}
        assert form.ambiguous["video_test_0000009"] == [[0.0, 1.4]]
        assert differences(found["official"], form) == []


def test_the_zips_are_read_as_they_are(tmp_path):
    plain = write_official(tmp_path / "text")
    for subset in ("val", "test"):
        with zipfile.ZipFile(tmp_path / f"TH14_{subset}.zip", "w") as archive:
            for path in plain:
                if path.stem.endswith(subset):
                    archive.write(path, f"annotation/{path.name}")
    found = read_sources(sorted(tmp_path.glob("*.zip")), CLASSES)
    assert segments(found["official"]) == segments(read_sources(plain, CLASSES)["official"])
    assert len(found["official"].files) == 2


def test_a_file_that_is_there_twice_must_say_the_same(tmp_path):
    files = write_official(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    both = sorted(tmp_path.rglob("*.txt"))
    assert segments(read_sources(both, CLASSES)["official"])
    (tmp_path / "b" / files[1].name).write_text("video_test_0000001  1 2\n")
    with pytest.raises(WstalError, match="keep one"):
        read_sources(both, CLASSES)


def test_a_class_without_its_file_is_named(tmp_path):
    files = [path for path in write_official(tmp_path) if path.name != "Diving_test.txt"]
    with pytest.raises(WstalError, match="Diving_test.txt"):
        read_sources(files, CLASSES)


def test_a_test_video_among_the_validation_files_is_refused(tmp_path):
    files = write_official(tmp_path)
    (tmp_path / "Diving_val.txt").write_text("video_test_0000001  1 2\n")
    with pytest.raises(WstalError, match="no video of THUMOS14's val"):
        read_sources(files, CLASSES)


def test_a_line_of_another_form_is_shown(tmp_path):
    files = write_official(tmp_path)
    (tmp_path / "Diving_val.txt").write_text("video_validation_0000001  1\n")
    with pytest.raises(WstalError, match="video_validation_0000001 1"):
        read_sources(files, CLASSES)


def test_the_fullest_database_is_read(tmp_path):
    small = write_database(tmp_path / "a.json")
    small.write_text(small.read_text().replace("video_test_0000002", "elsewhere"))
    full = write_database(tmp_path / "b.json", frames=900)
    write_database(tmp_path / "c.json")
    found = read_sources([small, full, tmp_path / "c.json"], CLASSES)
    assert found["json"].files == [full]


def test_files_of_other_datasets_are_no_source(tmp_path):
    (tmp_path / "a.json").write_text('{"database": {"v_x": {"subset": "training"}}}')
    (tmp_path / "b.txt").write_text("hello")
    assert read_sources(sorted(tmp_path.iterdir()), CLASSES) == {}
