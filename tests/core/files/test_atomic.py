from __future__ import annotations

import errno
import os

import pytest

from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.files.atomic import atomic, remove_remains
from napari_unet_nuclei.core.progress import Cancelled


def test_a_complete_file_appears_under_its_name_alone(tmp_path):
    path = tmp_path / "new" / "folder" / "labels.tif"
    with atomic(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".tif"
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("stop", [Cancelled, KeyboardInterrupt, ValueError])
def test_whatever_ends_the_writing_leaves_the_old_file_and_nothing_else(tmp_path, stop):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(stop), atomic(path) as temporary:
        temporary.write_text("half")
        raise stop
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_do_not_meet(tmp_path):
    path = tmp_path / "table.csv"
    with atomic(path) as first, atomic(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_as_long_as_names_may_be_is_written(tmp_path):
    path = tmp_path / f"{'n' * 250}.csv"
    with atomic(path) as temporary:
        temporary.write_text("whole")
    assert path.read_text() == "whole"


def test_the_name_of_a_folder_is_refused(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputFileError, match="folder"), atomic(tmp_path / "taken") as temporary:
        temporary.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputFileError, match="not written"), atomic(tmp_path / "file" / "labels.tif"):
        pass


def test_nothing_written_is_an_error_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "labels.tif"
    path.write_text("old")
    with pytest.raises(OutputFileError), atomic(path):
        pass
    assert path.read_text() == "old"


def test_a_folder_that_cannot_be_moved_in_place_leaves_nothing(tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OutputFileError, match="the disk is full"), atomic(tmp_path / "folder") as partial:
        partial.mkdir()
        (partial / "file").write_text("complete")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stem", ["table", "[a] {b} " + "long" * 12])
def test_remains_of_a_killed_writer_are_removed_and_those_of_other_files_stay(tmp_path, stem):
    path, other = tmp_path / f"{stem}.csv", tmp_path / f"{stem} of another slide.csv"
    for one in (path, other):
        with pytest.raises(KeyboardInterrupt), atomic(one) as partial:
            name = partial.name
            raise KeyboardInterrupt
        (tmp_path / name).touch()
    remove_remains([path])
    assert [left.name for left in tmp_path.iterdir()] == [name]
    remove_remains([other])
    assert not list(tmp_path.iterdir())
