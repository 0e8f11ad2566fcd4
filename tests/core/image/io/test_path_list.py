"""Lists of images as Windows, macOS and spreadsheets write them lead to the images beside the list."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.path_list import read_list

NAMES = ["im 0.tif", "im 1.tif", "Größe 2.tif"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name in [*NAMES, "deep/a.tif"]:
        (tmp_path / "in" / name).touch()
    return tmp_path / "in"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_names_are_those_beside_the_list_in_every_encoding(folder: Path, encoding: str, quote: str) -> None:
    lines = ["# nuclei of day 1", *(f"{quote}{name}{quote}  " for name in NAMES), "", "deep\\a.tif  # the last ß"]
    (folder / "l.txt").write_bytes("\r\n".join(lines).encode(encoding))
    assert read_list(folder / "l.txt") == [folder / name for name in [*NAMES, "deep/a.tif"]]


def test_patterns_urls_and_whole_paths_are_understood(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "here.tif").touch()
    (folder / "#1.tif").touch()
    lines = ["im *.tif", (folder / "im 0.tif").as_uri(), str(folder / "im 1.tif"), "here.tif", "#1.tif", "gone.tif"]
    (folder / "l.txt").write_text("\n".join(lines))
    assert read_list(folder / "l.txt") == [
        folder / "im *.tif",
        folder / "im 0.tif",
        folder / "im 1.tif",
        Path("here.tif"),
        folder / "#1.tif",
        folder / "gone.tif",
    ]


@pytest.mark.parametrize("column", ["Image", "PATH", "Filename"])
def test_a_table_of_a_german_spreadsheet_lists_images(folder: Path, column: str) -> None:
    rows = [f"well;{column};dose", *(f"A1;{name};0,5" for name in NAMES)]
    (folder / "index.csv").write_bytes("\r\n".join(rows).encode("utf-8-sig"))
    assert read_list(folder / "index.csv") == [folder / name for name in NAMES]


@pytest.mark.parametrize("separator", [";", "\t", ",", " ; "])
@pytest.mark.parametrize("head", ["well{0}File{0}dose\n", ""])
def test_columns_in_a_text_are_told_from_names(folder: Path, separator: str, head: str) -> None:
    (folder / "A1").mkdir()
    (folder / "a, b; c.tif").touch()
    names = NAMES if head else [*NAMES, "a, b; c.tif"]
    rows = [separator.join(("A1", f'"{name}"', "0.5")) for name in NAMES] + names[len(NAMES) :]
    (folder / "l.txt").write_text(head.format(separator) + "\n".join(rows))
    assert read_list(folder / "l.txt") == [folder / name for name in names]


def test_a_table_of_paths_alone_needs_no_head(folder: Path) -> None:
    (folder / "index.csv").write_text("\n".join(NAMES))
    assert read_list(folder / "index.csv") == [folder / name for name in NAMES]


def test_what_is_no_list_is_refused_by_name(folder: Path) -> None:
    (folder / "index.csv").write_text("well;dose\nA1;3\n")
    with pytest.raises(ImageFileError, match=r"index\.csv cannot be read as a list of paths.*columns well, dose"):
        read_list(folder / "index.csv")
    with pytest.raises(ImageFileError, match=r"gone\.txt"):
        read_list(folder / "gone.txt")
