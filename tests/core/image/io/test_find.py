from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.find import find_images, image_paths


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.tif", "a.PNG", "notes.txt", ".hidden.tif", "sub/c.jpg", "sub/.cache/d.tif", "slide.zarr/e.tif"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def names(paths: list[Path], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def test_folders_give_their_images_sorted(folder: Path) -> None:
    assert names(image_paths([folder]), folder) == ["a.PNG", "b.tif", "sub/c.jpg"]
    assert names(image_paths([folder], recursive=False), folder) == ["a.PNG", "b.tif"]


def test_a_file_is_listed_once_and_named_files_are_taken_whatever_their_suffix(folder: Path) -> None:
    paths = image_paths([folder / "b.tif", folder / "notes.txt", folder, folder / "sub" / ".." / "b.tif"])
    assert names(paths, folder) == ["a.PNG", "b.tif", "notes.txt", "sub/c.jpg"]


def test_patterns_take_images_and_names_with_brackets_are_names(folder: Path) -> None:
    assert names(image_paths([folder / "[ab].*", folder / "s?b"]), folder) == ["a.PNG", "b.tif", "sub/c.jpg"]
    assert names(image_paths([folder / "**" / "*.jpg"]), folder) == ["sub/c.jpg"]
    (folder / "x[1].tif").touch()
    assert names(image_paths([folder / "x[1].tif"]), folder) == ["x[1].tif"]


def test_loops_of_links_end(folder: Path) -> None:
    try:
        (folder / "sub" / "up").symlink_to(folder, target_is_directory=True)
        (folder / "again.tif").symlink_to(folder / "b.tif")
    except OSError:
        pytest.skip("this system allows no links")
    assert names(image_paths([folder]), folder) == ["a.PNG", "again.tif", "sub/c.jpg"]
    assert names(image_paths([folder / "**" / "*.jpg"]), folder) == ["sub/c.jpg"]
    assert "sub/c.jpg" in names(image_paths([folder / "**" / "sub" / "**"]), folder)


def test_two_stars_stand_for_any_folders_those_with_brackets_in_their_names_too(folder: Path, monkeypatch) -> None:
    inside = folder / "sub" / "day [1]" / "deep" / "e.tif"
    inside.parent.mkdir(parents=True)
    inside.touch()
    assert names(image_paths([folder / "**" / "*.tif"]), folder) == ["b.tif", "sub/day [1]/deep/e.tif"]
    assert names(image_paths([folder / "s*" / "**" / "deep" / "*"]), folder) == ["sub/day [1]/deep/e.tif"]
    monkeypatch.chdir(folder)
    assert image_paths([Path("**/*.jpg")]) == [Path("sub/c.jpg")]


@pytest.mark.parametrize(
    ("given", "says"), [("gone", "does not exist"), ("*.czi", "Nothing matches"), ("void", "No im")]
)
def test_paths_that_lead_nowhere_are_refused(folder: Path, given: str, says: str) -> None:
    (folder / "void").mkdir()
    with pytest.raises(ImageFileError, match=says) as caught:
        image_paths([folder / given])
    assert given in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to this user")
def test_a_folder_that_may_not_be_opened_is_named(folder: Path) -> None:
    (folder / "sub").chmod(0)
    with pytest.raises(ImageFileError, match="sub cannot be opened"):
        image_paths([folder])
    (folder / "sub").chmod(0o700)


def test_what_leads_nowhere_is_recorded_and_the_rest_found(folder: Path) -> None:
    found = find_images([folder / "gone", folder / "*.czi", folder])
    assert names(list(found.roots), folder) == ["a.PNG", "b.tif", "sub/c.jpg"]
    assert [path for path, _ in found.refused] == [str(folder / "gone"), str(folder / "*.czi")]


def test_every_image_knows_the_folder_it_was_looked_for_in(folder: Path) -> None:
    found = find_images([folder / "sub", folder / "*.tif", folder / "s*" / "*.jpg"])
    assert found.roots == {folder / "sub" / "c.jpg": folder / "sub", folder / "b.tif": folder}


def test_a_link_that_leads_nowhere_is_an_image_that_will_fail_and_a_pipe_is_none(folder: Path) -> None:
    try:
        (folder / "lost.tif").symlink_to(folder / "not there.tif")
        os.mkfifo(folder / "pipe.tif")
    except (OSError, AttributeError):
        pytest.skip("this system has no links or no pipes")
    assert names(list(find_images([folder]).roots), folder) == ["a.PNG", "b.tif", "lost.tif", "sub/c.jpg"]


def test_ome_zarr_images_are_folders_that_are_not_entered(folder: Path) -> None:
    for name in ("cells.ome.zarr/zarr.json", "cells.ome.zarr/0/x.tif", "sub/old/.zattrs", "sub/.hidden.zarr/zarr.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    found = find_images([folder])
    images = ["a.PNG", "b.tif", "cells.ome.zarr", "sub/c.jpg", "sub/old"]
    assert names(list(found.roots), folder) == images
    assert find_images([folder / "cells.ome.zarr"]).roots == {folder / "cells.ome.zarr": folder}
    assert list(find_images([folder / "*.ome.zarr"], recursive=False).roots) == [folder / "cells.ome.zarr"]
