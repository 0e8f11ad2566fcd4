from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.pairs import image_files, label_files


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names(files: dict[str, Path], folder: Path) -> dict[str, str]:
    return {name: path.relative_to(folder).as_posix() for name, path in files.items()}


def test_files_are_known_by_their_names_without_endings(tmp_path):
    touch(tmp_path, "a.png", "b.ome.tif", "deep/c.d.tif", "notes.txt")
    assert names(image_files(tmp_path), tmp_path) == {"a": "a.png", "b": "b.ome.tif", "deep/c.d": "deep/c.d.tif"}


def test_letters_composed_or_not_make_the_same_name(tmp_path):
    composed, apart = (unicodedata.normalize(form, "Zürich") for form in ("NFC", "NFD"))
    touch(tmp_path, f"in/{composed}.png", f"labels/{apart}_labels.tif")
    assert set(image_files(tmp_path / "in")) == set(label_files(tmp_path / "labels")) == {composed}


def test_labels_are_known_by_the_name_of_their_image(tmp_path):
    touch(tmp_path, "a_labels.tif", "b_labels.ome.tif", "c.png")
    assert set(label_files(tmp_path)) == {"a", "b", "c"}


def test_images_and_labels_may_lie_side_by_side(tmp_path):
    touch(tmp_path, "a.png", "a_labels.tif", "a_overlay.png")
    assert names(image_files(tmp_path), tmp_path) == {"a": "a.png"}
    assert names(label_files(tmp_path), tmp_path) == {"a": "a_labels.tif"}


@pytest.mark.parametrize("listed", [image_files, label_files])
def test_files_that_differ_only_in_their_ending_are_named(tmp_path, listed):
    touch(tmp_path, "a.png", "a.tif")
    with pytest.raises(ImageFileError, match=r"a\.png and .*a\.tif"):
        listed(tmp_path)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(ImageFileError, match=tmp_path.name):
        image_files(tmp_path)
